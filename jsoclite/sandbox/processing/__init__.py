"""
The processing steps of exports and the protocols of pictures, done for real on the sandbox's small images.

`image` reads a FITS file and writes it back; between the two, `steps` work on pixels and pointing (`pointing`,
`projections`), and `vectors` joins segments to components of the field. `pictures` shows images as JPEG, PNG or film.
"""

from .image import ProcessError, quiet
from .pictures import Look, film
from .steps import process_file, time_span
from .vectors import component_file, possible, vector_segments

__all__ = [
    "Look",
    "ProcessError",
    "component_file",
    "film",
    "possible",
    "process_file",
    "quiet",
    "time_span",
    "vector_segments",
]
