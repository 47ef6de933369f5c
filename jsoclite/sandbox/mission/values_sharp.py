"""
The space-weather parameters of SHARPs.

They keep the proportions of published headers (HARPs 377 and 11465) to the unsigned flux, which grows and decays with
the region; each also wanders by itself.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from .rows import FloatArray, Rows, Value
from .values_disk import constant
from .values_harp import HARP, active_area, flux, level, share, wander


def scaled(value: Value, factor: float) -> Value:
    """A value times a factor."""
    return lambda rows: factor * value(rows)


def _r_value(rows: Rows) -> FloatArray:
    value = 3.9 + 0.95 * np.log10(flux(rows) / 1e22) + 0.25 * (wander(rows, "r value", 0.5) - 1)
    return np.where(value < 2.0, 0.0, value)


_POTENTIAL: Final = share("totpot", 3.1e23, 1.15)
SHARP: Final[dict[str, Value]] = HARP | {
    "usflux": flux,
    "meangam": level("meangam", 33.0, 9.0),
    "meangbt": level("meangbt", 105.0, 22.0),
    "meangbz": level("meangbz", 108.0, 24.0),
    "meangbh": level("meangbh", 52.0, 16.0),
    "meanjzd": lambda rows: 0.3 * (wander(rows, "meanjzd", 1.0) - 1),
    "totusjz": share("totusjz", 1.15e13),
    "meanalp": lambda rows: 0.02 * (wander(rows, "meanalp", 1.0) - 1),
    "meanjzh": lambda rows: 0.006 * (wander(rows, "meanjzh", 1.0) - 1),
    "totusjh": share("totusjh", 790.0),
    "absnjzh": share("absnjzh", 95.0, 1.2, 0.4),
    "savncpp": share("savncpp", 5.4e12, 1.1, 0.25),
    "meanpot": level("meanpot", 5600.0, 2600.0, 0.08),
    "totpot": _POTENTIAL,
    "meanshr": level("meanshr", 28.0, 9.0),
    "shrgt45": level("shrgt45", 22.0, 14.0, 0.1),
    "r_value": _r_value,
    "gwill": lambda rows: np.full(len(rows), np.nan),
    "usfluxl": scaled(flux, 0.44),
    "meangbl": level("meangbl", 21.0, 5.0),
    "errvf": share("errvf", 4.1e18, 0.5),
    "errgam": constant(0.0524),
    "errtai": share("errtai", 3.1, 0.5),
    "errbh": constant(0.2253),
    "errmpot": level("errmpot", 4.4, 1.1),
    "errbt": constant(0.2625),
    "errtui": share("errtui", 3.1, 0.5),
    "errbz": constant(0.2682),
    "errjz": constant(0.0734),
    "erralp": constant(0.00181),
    "errmih": constant(0.000414),
    "errmsha": level("errmsha", 0.25, 0.08),
    "errusi": share("errusi", 7.1e10, 0.5),
    "errtpot": share("errtpot", 3.9e20, 0.7),
    "errjht": share("errjht", 2.9e11, 0.5),
    "cmask": lambda rows: np.rint(28.0 * active_area(rows) / 8),
    "cmaskl": lambda rows: np.rint(100.0 * active_area(rows) / 8),
    "doffset": constant(50),
    "mtot": lambda rows: flux(rows) / 5.6e15,
    "mnet": lambda rows: flux(rows) / 5.6e15 * 0.12 * (wander(rows, "mnet", 1.0) - 1),
    "mpos_tot": lambda rows: flux(rows) / 1.12e16 * wander(rows, "mpos", 0.03),
    "mneg_tot": lambda rows: flux(rows) / 1.12e16 * wander(rows, "mneg", 0.03),
    "mmean": lambda rows: 6.0 * (wander(rows, "mmean", 1.0) - 1),
    "mstdev": share("mstdev", 150.0, 0.3),
    "mskew": lambda rows: wander(rows, "mskew", 1.0) - 1,
    "mkurt": level("mkurt", 9.0, 4.0),
}
