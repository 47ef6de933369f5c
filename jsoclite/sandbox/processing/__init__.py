"""
The processing steps of exports and the protocols of pictures, done for real on the sandbox's small images.

`image` reads a FITS file and writes it back; between the two, `steps` work on pixels and pointing (`pointing`), `patch`
knows where ``im_patch`` cuts, and `vectors` joins segments to components of the field. `pictures` shows images as JPEG,
PNG or film.
"""

from .image import ProcessError, quiet
from .patch import Box
from .pictures import Look, film
from .steps import plan, process_file
from .vectors import component_file, possible, vector_segments

__all__ = [
    "Box",
    "Look",
    "ProcessError",
    "component_file",
    "film",
    "plan",
    "possible",
    "process_file",
    "quiet",
    "vector_segments",
]
