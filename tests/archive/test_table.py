"""Keywords at rest: what is read back, by whom, and what is refused."""

import pandas as pd
import pyarrow.parquet
import pytest

import jsoclite
from jsoclite.sandbox import Sandbox

NAMES = "HARPNUM,T_REC,USFLUX,NOAA_AR,CRPIX1"


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """Two HARPs over a turn of the month."""
    directory = tmp_path_factory.mktemp("archive")
    with Sandbox() as sandbox:
        record_set = "hmi.sharp_cea_720s[][2014.01.31_20:00_TAI/8h@1h]"
        sandbox.client().sync(record_set, directory, segments=[], keywords=NAMES)
    return directory


def test_a_file_a_month_with_types_and_units(directory):
    months = sorted((directory / "keywords" / "hmi.sharp_cea_720s").iterdir())
    assert [path.name for path in months] == ["2014-01.parquet", "2014-02.parquet"]
    schema = pyarrow.parquet.read_schema(months[0])
    types = {"record": "string", "recnum": "int64", "USFLUX": "double", "HARPNUM": "int64", "replaced_by": "int64"}
    assert {name: str(schema.field(name).type) for name in types} == types
    assert str(schema.field("gone").type) == "bool"
    assert str(schema.field("time").type).startswith("timestamp")
    assert schema.field("USFLUX").metadata[b"unit"] == b"Mx"
    assert schema.metadata[b"series"] == b"hmi.sharp_cea_720s"


def test_others_read_the_directory_as_it_is(directory):
    theirs = pd.read_parquet(directory / "keywords" / "hmi.sharp_cea_720s")
    ours = jsoclite.Archive(directory).keywords("hmi.sharp_cea_720s", versions=True)
    assert len(theirs) == len(ours)
    assert theirs.USFLUX.tolist() == ours.USFLUX.tolist()


def test_what_a_kill_leaves_is_not_read(tmp_path, monkeypatch):
    """Readers of a directory take all that is in it: a file that is not whole yet lies elsewhere."""
    options = {"segments": [], "keywords": "DATAMEAN"}

    def killed(_):
        raise KeyboardInterrupt

    with Sandbox() as sandbox:
        client = sandbox.client()
        client.sync("hmi.M_720s[2014.01.01_TAI/2h]", tmp_path, **options)
        with monkeypatch.context() as broken:
            broken.setattr("jsoclite.archive.table.os.fsync", killed)
            with pytest.raises(KeyboardInterrupt):
                client.sync("hmi.M_720s[2014.01.02_TAI/2h]", tmp_path, **options)
        assert len(list(tmp_path.rglob("*.part"))) == 1
        assert len(pd.read_parquet(tmp_path / "keywords" / "hmi.M_720s")) == 10
        archive = jsoclite.Archive(tmp_path)
        assert archive.series == ["hmi.M_720s"]
        with pytest.raises(jsoclite.JsocError, match=r"There is hmi\.M_720s\.$"):
            archive.keywords("other.series")
        client.sync("hmi.M_720s[2014.01.02_TAI/2h]", tmp_path, **options)
        assert len(archive.keywords("hmi.M_720s")) == 20
        assert not list(tmp_path.rglob("*.part"))


def test_time_columns_and_conditions_choose(directory):
    archive = jsoclite.Archive(directory)
    every = archive.keywords("hmi.sharp_cea_720s")
    assert every.columns.tolist() == ["recnum", "time", *NAMES.split(",")]
    assert every.time.is_monotonic_increasing
    assert every.jsoc.series == "hmi.sharp_cea_720s"
    february = archive.keywords("hmi.sharp_cea_720s", "USFLUX", start="2014-02-01T00:00:00", end="2014-02-01T02:00:00")
    assert february.columns.tolist() == ["recnum", "time", "USFLUX"]
    chosen = every[(every.time >= "2014-02-01T00:00Z") & (every.time <= "2014-02-01T02:00Z")]
    assert february.USFLUX.tolist() == chosen.USFLUX.tolist()


@pytest.mark.parametrize(
    ("where", "query"),
    [
        ("USFLUX > 1e21", "USFLUX > 1e21"),
        ("NOAA_AR != 0 and USFLUX <= 1e22", "NOAA_AR != 0 and USFLUX <= 1e22"),
        ("not (NOAA_AR == 0) or USFLUX < 1e20", "NOAA_AR != 0 or USFLUX < 1e20"),
        ("1e20 < USFLUX < 1e22", "1e20 < USFLUX < 1e22"),
        ("CRPIX1 > -5", "CRPIX1 > -5"),
        ("T_REC == '2014.01.31_22:00:00_TAI'", "T_REC == '2014.01.31_22:00:00_TAI'"),
        ({"USFLUX": (1e20, 1e22)}, "1e20 <= USFLUX <= 1e22"),
        ({"NOAA_AR": [0], "usflux": (0, 1e23)}, "NOAA_AR == 0"),
        ({"NOAA_AR": 0}, "NOAA_AR == 0"),
    ],
)
def test_conditions_mean_what_they_mean_in_pandas(directory, where, query):
    archive = jsoclite.Archive(directory)
    found = archive.keywords("hmi.sharp_cea_720s", where=where)
    wanted = archive.keywords("hmi.sharp_cea_720s").query(query)
    assert len(wanted) > 0
    pd.testing.assert_frame_equal(found, wanted)


@pytest.mark.parametrize("where", ["USFLUX >", "USFLUX + 1", "f(USFLUX) > 1", "USFLUX in [1]", "__import__('os')"])
def test_conditions_that_cannot_be_read_say_how_they_look(directory, where):
    with pytest.raises(jsoclite.JsocError, match="where="):
        jsoclite.Archive(directory).keywords("hmi.sharp_cea_720s", where=where)


def test_names_that_are_not_there_are_told_with_the_nearest(directory, tmp_path):
    archive = jsoclite.Archive(directory)
    with pytest.raises(jsoclite.UnknownName, match="USFLUX"):
        archive.keywords("hmi.sharp_cea_720s", "USFLX")
    with pytest.raises(jsoclite.UnknownName, match="NOAA_AR"):
        archive.keywords("hmi.sharp_cea_720s", where="NOAA_A > 1")
    with pytest.raises(jsoclite.JsocError, match="hmi.sharp_cea_720s"):
        archive.keywords("hmi.sharp_720s")
    with pytest.raises(jsoclite.JsocError, match="holds no keywords"):
        jsoclite.Archive(tmp_path).keywords("hmi.sharp_720s")


def test_a_series_without_a_time_is_one_file(tmp_path):
    with Sandbox() as sandbox:
        sandbox.client().sync("hmi.Synoptic_Mr_720s[2144-2146]", tmp_path, segments=[], keywords="CAR_ROT,DATAMEAN")
    assert [path.name for path in (tmp_path / "keywords" / "hmi.Synoptic_Mr_720s").iterdir()] == ["all.parquet"]
    archive = jsoclite.Archive(tmp_path)
    assert archive.keywords("hmi.synoptic_mr_720s").CAR_ROT.tolist() == [2144, 2145, 2146]
    with pytest.raises(jsoclite.JsocError, match="no time among its prime keys"):
        archive.keywords("hmi.Synoptic_Mr_720s", start="2014-01-01")
