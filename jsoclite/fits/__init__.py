"""
FITS files: written with full headers, read, shown.

`header_cards` makes the header that JSOC's own export would have written, from a series' definition and the keywords of
a record (`keyword_names` says which these are); `write_fits` puts it around an image whose bytes stay as they are.
`looks_like_fits` says what is wrong with a file, `units` takes it apart without reading pixels. `read` and `stack` open
files, whichever of their parts holds the image; `quicklook` draws rows or files in the colours of SDO (`colormap`).
"""

from .colors import colormap
from .files import looks_like_fits, units, write_fits
from .header import header_cards
from .keywords import keyword_names
from .quicklook import quicklook
from .read import read, stack

__all__ = [
    "colormap",
    "header_cards",
    "keyword_names",
    "looks_like_fits",
    "quicklook",
    "read",
    "stack",
    "units",
    "write_fits",
]
