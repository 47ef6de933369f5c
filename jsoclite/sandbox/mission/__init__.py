"""
The whole mission, computed: every record of HMI, AIA, MDI and IRIS from nothing but its number.

`spec` expands the definitions of ``data/series.json``; `series` says what all computed series do, `slots`, `frames`,
`patches` and `tables` how the records of each kind lie in time; `availability` what is missing, was made twice or is on
tape. Values of keywords come from where the Sun is (`ephemeris`), which regions it has (`regions`) and how they flare
(`flares`); the modules named `values_…` make columns of that. `camera` tells those who draw images what the keywords
say of them. `MissionCatalog` is all of it behind the catalogue's protocol; what makes its files is handed in.
"""

from . import noise as noise
from . import regions as regions
from .camera import Pointing, exposure, map_centre
from .flares import Burning, burning
from .mission import MissionCatalog
from .series import Rows
from .values_tables import chart_strips

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
