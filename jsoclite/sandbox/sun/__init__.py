"""
The Sun, and the images that instruments take of it.

`surface` has the magnetic field, brightness and motion at any point and time, and `Disk`, where an image sees them;
the light above it in AIA's channels, too. `files` makes of these what each segment of a series holds, and the as-is
FITS file that SUMS would keep: `segment_file` of one record and segment.
"""

from .files import segment_file

__all__ = ["segment_file"]
