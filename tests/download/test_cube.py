"""Cubes: frames are fetched when they are computed, over one connection, and a store is gone on with."""

import subprocess
import sys
from pathlib import Path

import dask
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from astropy.wcs import WCS
from dask.distributed import Client as DaskClient
from dask.distributed import LocalCluster

import jsoclite
from jsoclite import Cutout
from jsoclite.errors import JsocError, JsocWarning, SelectionError
from jsoclite.sandbox import Fault, Sandbox

HOUR = "hmi.M_720s[2014.01.01_TAI/1h]{magnetogram}"
STEP = Cutout((-300, 150), 300, t_ref="2014-01-01T00:00:00")


@pytest.fixture
def sandbox():
    """One that takes no second connection: whoever opened one would wait for ever."""
    with Sandbox(staging_s=0, max_connections=1) as made:
        yield made


@pytest.fixture
def client(sandbox, hand_clock):
    with jsoclite.Client(sandbox.url, email=sandbox.email, timeout=5, retries=1) as made:
        made._clock = hand_clock.clock
        yield made


def files(sandbox):
    """Requests of files that were answered."""
    return [entry.path for entry in sandbox.requests if entry.path.startswith("/SUM") and entry.status in (200, 206)]


def whole(client, rows):
    return [client.read(record, "magnetogram")[0] for record in rows.index]


def test_nothing_is_fetched_before_it_is_computed_and_then_that_frame_alone(sandbox, client):
    rows = client.query(HOUR, keywords="T_REC,QUALITY,DATAMEAN,CRPIX1")
    cube = client.cube(rows)
    assert isinstance(cube, xr.Dataset)
    assert dict(cube.sizes) == {"time": 5, "y": 256, "x": 256}
    assert cube.magnetogram.chunks == ((1,) * 5, (256,), (256,))
    begun = files(sandbox)
    assert len(begun) == 1  # the first one's header and table of rows
    assert sum(entry.bytes for entry in sandbox.requests if entry.path in begun) <= 1 << 16  # half of the file
    frame = cube.magnetogram[2, 10:20].compute()
    assert len(files(sandbox)) == 2
    np.testing.assert_array_equal(frame, client.read(rows.iloc[2], "magnetogram")[0][10:20])


def test_coordinates_are_those_of_the_rows(client, tmp_path):
    rows = client.query(HOUR, keywords="T_REC,QUALITY,DATAMEAN").iloc[::-2].assign(mine=1)
    rows.loc[rows.index[0], "DATAMEAN"] = pd.NA
    cube = client.cube(rows)
    np.testing.assert_array_equal(cube.time, rows.time.dt.tz_localize(None))
    assert cube.recnum.values.tolist() == rows.recnum.tolist()
    assert cube.record.values.tolist() == rows.index.tolist()
    assert set(cube.coords) == {"time", "recnum", "record", "T_REC", "QUALITY", "DATAMEAN"}
    assert (cube.QUALITY.dtype, cube.T_REC.values[0]) == ("int64", rows["T_REC"].iloc[0])
    assert np.isnan(cube.DATAMEAN[0])
    assert (cube.magnetogram.units, cube.QUALITY.long_name) == ("Gauss", "Level 1.5 quality word")
    rows.to_csv(tmp_path / "rows.csv")
    again = client.cube(pd.read_csv(tmp_path / "rows.csv", index_col="record"), "magnetogram")
    assert again.equals(cube)
    for frame, image in zip(cube.magnetogram.values, whole(client, rows), strict=True):
        np.testing.assert_array_equal(frame, image)


@pytest.mark.parametrize("rows", ["text", "names", "set"])
def test_what_has_no_keywords_is_asked_for_them(client, rows):
    given = {"text": HOUR, "names": client.query(HOUR).index.tolist(), "set": jsoclite.RecordSet.parse(HOUR)}[rows]
    cube = client.cube(given, "magnetogram")
    assert {"time", "recnum", "T_REC", "QUALITY"} <= set(cube.coords)
    assert cube.record.values.tolist() == client.query(HOUR).index.tolist()


def test_cutouts(sandbox, client, tmp_path):
    rows = client.query(HOUR, keywords="wcs")
    cube = client.cube(rows, process=STEP)
    assert files(sandbox)[1:] == []  # what the box is, keywords tell
    made = client.download(rows, tmp_path, process=STEP)
    for frame, path in zip(cube.magnetogram.values, made.path, strict=True):
        np.testing.assert_array_equal(frame, jsoclite.read(path)[0])
    assert {"CRPIX1", "CRVAL1", "CDELT1", "CROTA2"}.isdisjoint(cube.coords)  # those of the whole image
    header = jsoclite.read(made.path.iloc[0])[1]
    here, there = WCS(cube.attrs), WCS({name: header[name] for name in cube.attrs if name in header})
    np.testing.assert_allclose(here.wcs_pix2world([[3, 4]], 0), there.wcs_pix2world([[3, 4]], 0))


def test_files_that_are_here_are_opened(sandbox, client, tmp_path):
    rows = client.query(HOUR)
    made = client.download(rows.iloc[1:4], tmp_path)
    before = len(files(sandbox))
    images = np.stack([jsoclite.read(path)[0] for path in made.path])
    np.testing.assert_array_equal(client.cube(made).magnetogram.values, images)
    assert len(files(sandbox)) == before
    Path(made.path.iloc[1]).unlink()
    cube = client.cube(made)
    assert np.isfinite(cube.magnetogram[1].values).any()
    assert len(files(sandbox)) == before + 1
    with pytest.raises(SelectionError, match="have files already"):
        client.cube(made, process=STEP)


# -- one connection ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheduler", ["synchronous", "threads", "processes", "distributed"])
def test_one_connection_whatever_computes(sandbox, client, scheduler):
    cube = client.cube(HOUR, process=STEP)
    if scheduler == "distributed":
        with (
            LocalCluster(n_workers=2, threads_per_worker=2, host="127.0.0.1", dashboard_address=None) as cluster,
            DaskClient(cluster),
        ):
            found = cube.magnetogram.compute()
    else:
        found = cube.magnetogram.compute(scheduler=scheduler, num_workers=2)
    assert len(files(sandbox)) == 1 + 2 * 5  # the first one is looked at once more
    for frame, record in zip(found.values, cube.record.values, strict=True):
        np.testing.assert_array_equal(frame, client.read(record, "magnetogram", process=STEP)[0])


def test_a_process_that_is_gone_is_told(client, sandbox, tmp_path):
    made = (
        "import pickle, sys, jsoclite\n"
        f"cube = jsoclite.Client({sandbox.url!r}).cube({HOUR!r})\n"
        f"pickle.dump(cube, open({str(tmp_path / 'cube')!r}, 'wb'))"
    )
    subprocess.run([sys.executable, "-c", made], check=True)
    with pytest.raises(JsocError, match="which made this cube, gives no answer"):
        pd.read_pickle(tmp_path / "cube").compute()


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_the_reason_comes_through(sandbox, client, scheduler):
    cube = client.cube(HOUR)
    sandbox.add_fault(Fault("403", "file"))
    with pytest.raises(JsocError, match=r"hmi\.M_720s\[2014.*has no magnetogram yet: HTTP 403"):
        cube.magnetogram[1].compute(scheduler=scheduler)


# -- a store ----------------------------------------------------------------------------------------------------------


def test_a_store_that_was_begun_is_gone_on_with(sandbox, client, tmp_path):
    cube = client.cube(client.query(HOUR, keywords="T_REC,QUALITY"), process=STEP)
    sandbox.add_fault(Fault("403", "file", nth=6))  # of the third frame
    with pytest.raises(JsocError, match="1 of 5 frames did not come: .*HTTP 403.*same line again"):
        cube.to_zarr(tmp_path / "a.zarr")
    with xr.open_zarr(tmp_path / "a.zarr") as there:
        assert there.stored.values.tolist() == [1, 1, 0, 1, 1]
    before = len(files(sandbox))
    cube = client.cube(client.query(HOUR, keywords="T_REC,QUALITY"), process=STEP)  # another day
    cube.to_zarr(tmp_path / "a.zarr")
    assert len(files(sandbox)) == before + 2
    cube.to_zarr(str(tmp_path / "a.zarr"))
    assert len(files(sandbox)) == before + 2
    with xr.open_zarr(tmp_path / "a.zarr") as there:
        assert there.drop_vars("stored").equals(cube.compute())
        assert (there.magnetogram.chunks, there.attrs) == (cube.magnetogram.chunks, cube.attrs)


def test_a_killed_run_is_gone_on_with(sandbox, client, tmp_path):
    cube = client.cube(HOUR, process=STEP)
    images = []

    def killed(self, **options):
        images.append(self)
        if len(images) == 3:
            raise KeyboardInterrupt
        return original(self, **options)

    original = xr.Dataset.compute
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(xr.Dataset, "compute", killed)
        with pytest.raises(KeyboardInterrupt):
            cube.to_zarr(tmp_path / "a.zarr")
    before = len(files(sandbox))
    cube.to_zarr(tmp_path / "a.zarr")
    assert len(files(sandbox)) - before == 3 * 2
    with xr.open_zarr(tmp_path / "a.zarr") as there:
        assert there.stored.values.all()


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_not_all_frames_are_tried_where_the_server_is_away(sandbox, client, tmp_path, scheduler):
    cube = client.cube(HOUR, process=STEP)
    fault = sandbox.add_fault(Fault("503", "file", times=1000))
    with dask.config.set(scheduler=scheduler), pytest.raises(JsocError, match="3 of 5 frames did not come: no answer"):
        cube.to_zarr(tmp_path / "a.zarr")
    assert sandbox.fault_hits()[fault] < 5 * 2
    sandbox.clear_faults()
    cube.to_zarr(tmp_path / "a.zarr")
    assert xr.open_zarr(tmp_path / "a.zarr").stored.values.all()


def test_what_was_refused_is_staged_once_for_all_that_need_it(sandbox, client, tmp_path):
    df = client.search("hmi.M_720s", "2014-01-01", "2014-03-10", keywords="QUALITY", segments="magnetogram")
    rows = pd.concat([df[df.online & df.jsoc.good()].iloc[:1], df[~df.online & df.jsoc.good()].iloc[:4]])
    cube = client.cube(rows, process=STEP)
    for run in (1, 2):
        with pytest.raises(JsocError, match="4 of 5 frames did not come: .*on tape"):
            cube.to_zarr(tmp_path / "a.zarr")
        assert sum(entry.endpoint == "exp_request" for entry in sandbox.requests) == run


def test_a_store_of_something_else_is_not_touched(client, tmp_path):
    cube = client.cube(HOUR, process=STEP)
    cube.isel(time=slice(2)).to_zarr(tmp_path / "a.zarr")
    with pytest.raises(JsocError, match="other records"):
        cube.to_zarr(tmp_path / "a.zarr")
    with pytest.raises(JsocError, match="other records"):
        client.cube(HOUR).isel(time=slice(2)).to_zarr(tmp_path / "a.zarr")
    cube.to_zarr(tmp_path / "a.zarr", mode="w", consolidated=False)
    assert xr.open_zarr(tmp_path / "a.zarr", consolidated=False).sizes == cube.sizes
    (tmp_path / "b.zarr").mkdir()
    with pytest.raises(JsocError, match="no Zarr store"):
        cube.to_zarr(tmp_path / "b.zarr")
    (tmp_path / "c.zarr.part").mkdir()  # somebody's
    (tmp_path / "c.zarr.part" / "notes").write_text("mine")
    cube.to_zarr(tmp_path / "c.zarr")
    assert (tmp_path / "c.zarr.part" / "notes").read_text() == "mine"
    assert not list(tmp_path.glob(".c.zarr*"))
    assert cube.mean("time").to_zarr(tmp_path / "mean.zarr", consolidated=False) is not None  # xarray's own


# -- rows that fail ---------------------------------------------------------------------------------------------------


def test_records_without_an_image_are_nan(sandbox, client):
    bad = client.query("hmi.M_720s[2014.03.11_06:00:00_TAI/2h]{magnetogram}", keywords="QUALITY")
    lost = ~bad.jsoc.good()
    assert 0 < lost.sum() < len(bad)
    cube = client.cube(bad)
    with pytest.warns(JsocWarning, match="without an image are NaN; the first is") as told:
        found = cube.magnetogram.compute()
    assert len(told) == 1
    assert np.isnan(found).all(("y", "x")).values.tolist() == lost.tolist()


def test_only_records_without_an_image_are_no_cube(client):
    bad = client.query("hmi.M_720s[2014.03.11_06:00:00_TAI/2h]{magnetogram}", keywords="QUALITY")
    with pytest.raises(JsocError, match="no magnetogram of hmi.M_720s is an image.*QUALITY bit 31"):
        client.cube(bad[~bad.jsoc.good()])
    with pytest.raises(SelectionError, match="one series"):
        client.cube(bad.iloc[:0])


def test_the_size_is_that_of_the_next_file_where_the_first_does_not_come(sandbox, client):
    sandbox.add_fault(Fault("403", "file", nth=1))
    assert dict(client.cube(HOUR).sizes) == {"time": 5, "y": 256, "x": 256}
    fault = sandbox.add_fault(Fault("403", "file", times=1000))
    with pytest.raises(JsocError, match="no magnetogram of hmi.M_720s is an image.*HTTP 403"):
        client.cube(HOUR)
    assert sandbox.fault_hits()[fault] == 3


def test_without_ranges_the_first_frame_is_fetched_for_its_size(sandbox, client):
    sandbox.add_fault(Fault("no-range", "file", times=1000))
    cube = client.cube(HOUR)
    assert dict(cube.sizes) == {"time": 5, "y": 256, "x": 256}
    assert np.isfinite(cube.magnetogram[3].values).any()


def test_a_box_outside_of_the_image_is_nan(client):
    cube = client.cube(HOUR, process=Cutout((5000, 0), 300, t_ref="2014-01-01T00:00:00", track=False))
    with pytest.warns(JsocWarning, match="outside of the image"):
        assert np.isnan(cube.magnetogram[0].values).all()


def test_a_frame_that_failed_comes_when_it_is_computed_again(sandbox, client):
    cube = client.cube(HOUR)
    sandbox.add_fault(Fault("403", "file"))
    with pytest.raises(JsocError, match="compute again"):
        cube.magnetogram[1].compute()
    sandbox.clear_faults()
    assert np.isfinite(cube.magnetogram[1].values).any()


def test_images_of_another_size_are_refused(client, tmp_path):
    rows = client.query(HOUR)
    large, small = client.download(rows[:1], tmp_path), client.download(rows[1:2], tmp_path, process=STEP)
    cube = client.cube(pd.concat([large, small]))
    with pytest.raises(JsocError, match=r"has \(38, 38\) pixels in magnetogram, the first frame has \(256, 256\)"):
        cube.compute()


def test_what_steps_make_is_staged_together_once(sandbox, client):
    cube = client.cube(HOUR, process=jsoclite.Rebin(0.5))  # the size of what they make, only a file tells
    assert dict(cube.sizes) == {"time": 5, "y": 128, "x": 128}
    for _ in range(2):
        assert np.isfinite(cube.magnetogram.values).any((1, 2)).all()
    assert len(sandbox.staging) == 1


def test_what_is_on_tape_is_told_and_the_rest_stored(sandbox, client, tmp_path):
    df = client.search("hmi.M_720s", "2014-01-01", "2014-03-10", keywords="QUALITY", segments="magnetogram")
    df = df[df.jsoc.good()]
    rows = pd.concat([df[df.online].iloc[:1], df[~df.online].iloc[:1], df[df.online].iloc[1:3]])
    cube = client.cube(rows, process=STEP)
    with pytest.raises(JsocError, match="1 of 4 frames did not come: .*on tape"):
        cube.to_zarr(tmp_path / "a.zarr")
    assert xr.open_zarr(tmp_path / "a.zarr").stored.values.tolist() == [1, 0, 1, 1]


# -- segments and kinds -----------------------------------------------------------------------------------------------


def test_several_segments(sandbox, client):
    name = "hmi.B_720s[2014.01.01_TAI/24m]"
    with pytest.raises(SelectionError, match="name those of the cube, segment="):
        client.cube(name)
    cube = client.cube(name, ["field", "disambig"])
    assert list(cube.data_vars) == ["field", "disambig"]
    assert cube.disambig.dtype == "float32"
    begun = len(files(sandbox))
    cube.disambig[1].compute()
    assert len(files(sandbox)) == begun + 1
    np.testing.assert_array_equal(cube.field[0], client.read(cube.record.values[0], "field")[0])
    by_name = client.cube(client.query(name + "{field,disambig}"))
    assert list(by_name.data_vars) == ["field", "disambig"]


def test_several_wavelengths_are_refused(client):
    rows = client.query("aia.lev1_euv_12s[2014-01-01T00:00:00Z/36s][171,304]{image}")
    with pytest.raises(SelectionError, match=r"several WAVELNTH \(171, 304\).*rows\[rows.WAVELNTH == 171\]"):
        client.cube(rows)
    cubes = {key: client.cube(some) for key, some in rows.groupby("WAVELNTH")}
    assert {key: dict(cube.sizes)["time"] for key, cube in cubes.items()} == {171: 3, 304: 3}
    with pytest.raises(SelectionError, match="one series"):
        client.cube(pd.concat([rows, client.query(HOUR)]))


def test_a_series_without_a_time(client):
    cube = client.cube("hmi.synoptic_mr_720s[2144-2145]{synopMr}")
    assert cube["synopMr"].dims == ("record", "y", "x")
    assert cube.CAR_ROT.values.tolist() == [2144, 2145]
    assert np.isfinite(cube["synopMr"].values).any()


def test_a_missing_package_is_named(client, monkeypatch):
    monkeypatch.delitem(sys.modules, "jsoclite.download.cube", raising=False)
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(JsocError, match=r"a cube needs xarray: python -m pip install xarray"):
        client.cube(HOUR)
