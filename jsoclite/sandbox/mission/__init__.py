"""
The whole mission, computed: every record of HMI, AIA, MDI and IRIS from nothing but its number.

`spec` expands the definitions of ``data/series.json``; `series` says what all computed series do, and how records lie
in the slots of a grid, `kinds` how those of frames, patches and tables lie in time, and how series age. Values of
keywords come from where the Sun is and what the archive has of it (`ephemeris`), and which regions it has and how they
flare (`regions`); the modules named `values_…` make columns of that. `MissionCatalog` is all of it behind the
catalogue's protocol; what makes its files is handed in. `Pointing` tells those who draw images what the keywords say.
"""

from . import noise as noise
from . import regions as regions
from .mission import MissionCatalog, Pointing, exposure, map_centre
from .regions import Burning, burning
from .series import Rows
from .values_aia import chart_strips

__all__ = [
    "Burning",
    "MissionCatalog",
    "Pointing",
    "Rows",
    "burning",
    "chart_strips",
    "exposure",
    "map_centre",
    "noise",
    "regions",
]
