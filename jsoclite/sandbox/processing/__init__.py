"""
The processing steps of exports and the protocols of pictures, done for real on the sandbox's small images.

`image` reads a FITS file and writes it back, and shows it as JPEG, PNG or film; between reading and writing, `steps`
work on pixels and pointing, join segments to components of the field, and know from `patch` where ``im_patch`` cuts.
"""

from .image import Look, ProcessError, film, quiet
from .patch import Box
from .steps import component_file, plan, possible, process_file, vector_segments

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
