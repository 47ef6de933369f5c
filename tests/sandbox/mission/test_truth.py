"""What print-outs and files of the archive show, and the computed catalogue therefore holds, too."""

from __future__ import annotations

import pytest
from astropy.io import fits

import jsoclite
from jsoclite.sandbox.mission.mission import MissionCatalog
from jsoclite.sandbox.sun.files import segment_file

CATALOG = MissionCatalog(segment_file)
OBSERVED = [name for name in CATALOG if "date__obs" in CATALOG[name].definition.keywords]


@pytest.fixture(scope="module")
def client():
    with jsoclite.Sandbox(staging_s=0.0) as sandbox, sandbox.client() as client:
        yield client


# --- DATE-OBS -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OBSERVED)
def test_the_note_of_date_obs_names_it(name):
    key = CATALOG[name].definition.keywords["date__obs"]
    assert key.fits_name == "DATE-OBS"


@pytest.mark.parametrize(
    "record_set",
    [
        "hmi.M_720s[2014.01.01_TAI]{magnetogram}",
        "mdi.fd_M_96m_lev182[2010.10.15_19:12:00_TAI]{data}",
        "aia.lev1_euv_12s[2014.01.01_00:00:36_TAI/12s][171]{image}",
        "hmi.sharp_cea_720s[377][2011.02.15_TAI]{Br}",
    ],
)
def test_tables_and_files_say_date_obs(client, tmp_path, record_set):
    rows = client.query(record_set, keywords="**ALL**")
    assert rows["DATE-OBS"].tolist() == rows["DATE__OBS"].tolist()
    assert {"DATE__OBS", "DATE-OBS"} <= set(client.info(record_set.partition("[")[0]).keywords.index)
    direct = client.download(rows.iloc[:1], tmp_path / "direct", protocol="auto")
    staged = client.download(rows.iloc[:1], tmp_path / "staged", protocol="fits")
    for files in (direct, staged):
        with fits.open(files.path.iloc[0]) as hdus:
            header = hdus[-1].header
        assert header["DATE-OBS"][:19] == rows["DATE__OBS"].iloc[0][:19]
        assert not {"DATEOBS", "DATE__OBS", "DATE_OBS"} & set(header)
