"""
The Sun, and the images that instruments take of it.

`surface` has the magnetic field, brightness and motion at any point and time, and `Disk`, where an image sees them;
`corona` the light above it in AIA's channels. `hmi` and `other` make of these what each segment of a series holds, and
`files` the as-is FITS file that SUMS would keep: `segment_file` of one record and segment.
"""

from .files import segment_file

__all__ = ["segment_file"]
