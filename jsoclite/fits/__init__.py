"""
FITS files as JSOC delivers them: their headers, their pixels, and pictures of them.

A file that arrives is walked by its headers alone (`files`). One that comes straight from SUMS gets the header that an
export would have written: `keywords` plans the cards of a series, `header` lays a record's values out, `cards` knows
the bytes of a card, and `files` writes them around the untouched image. `image` finds the image of a file, scales it,
and makes its header say what the pixels are, also for stacks, whose files are opened when they are computed. For a
quick look, `gallery` chooses the images, `thumbnails` makes each small, `colors` says how it is shown, `figure` draws.
`calendar` draws counts over time.
"""

from .calendar import draw_calendar
from .colors import colormap
from .files import looks_like_fits, units, write_fits
from .gallery import quicklook
from .header import header_cards, keyword_names
from .image import read, stack

__all__ = [
    "colormap", "draw_calendar", "header_cards", "keyword_names", "looks_like_fits", "quicklook", "read", "stack",
    "units", "write_fits",
]  # fmt: skip
