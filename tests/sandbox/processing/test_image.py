"""Pictures, films and vector components: the remaining protocols and steps of exports."""

from __future__ import annotations

import json
import struct
import sys
from io import BytesIO
from urllib.parse import urlencode

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image as Picture

from jsoclite.sandbox import Sandbox
from jsoclite.sandbox.messages import Request
from jsoclite.sandbox.processing.image import Image, Look, ProcessError, View, film
from jsoclite.sandbox.processing.steps import ERROR_INPUTS, components

SET = "hmi.M_720s[2014.01.01_TAI/36m]{magnetogram}"
BOX = "im_patch,x=0,y=0,locunits=arcsec,boxunits=pixels,t=1,t_ref=2014.01.01_TAI"


@pytest.fixture
def desk():
    return Desk()


class Desk:
    """A sandbox of the whole mission, without sockets."""

    def __init__(self) -> None:
        self.now = 1_795_329_000.0
        self.sandbox = Sandbox(clock=lambda: self.now, pending_limit=0)

    def get(self, path: str):
        return self.sandbox._app.handle(Request("GET", "/" + path.lstrip("/"))).response

    def export(self, ds: str = SET, **params: str) -> dict:
        given = {"op": "exp_request", "ds": ds, "notify": "demo@example.com", "method": "url", "protocol": "fits"}
        answer = json.loads(self.get(f"cgi-bin/ajax/jsoc_fetch?{urlencode(given | params)}").content())
        assert answer["status"] == 2, answer
        self.now += 61
        query = urlencode({"op": "exp_status", "requestid": answer["requestid"]})
        return json.loads(self.get(f"cgi-bin/ajax/jsoc_fetch?{query}").content())

    def file(self, answer: dict, number: int = 0) -> bytes:
        response = self.get(f"{answer['dir']}/{answer['data'][number]['filename']}")
        assert response.status == 200
        return response.content()


def fits_file() -> bytes:
    """A slope with a box in it that slopes the other way."""
    y, x = np.mgrid[0:37, 0:50]
    data = (x + y).astype("f4")
    data[5:20, 10:20] = 85 - data[5:20, 10:20]
    out = BytesIO()
    fits.PrimaryHDU(data).writeto(out)
    return out.getvalue()


def shown(protocol: str) -> tuple[np.ndarray, np.ndarray]:
    """The pixels of a picture as others read them, and as they were meant."""
    look = Look.parse(protocol)
    with fits.open(BytesIO(fits_file())) as units:
        meant = look.pixels(Image(np.array(units[0].data, dtype=float), {}, 0.0))
    picture = Picture.open(BytesIO(look.draw(fits_file())))
    assert picture.format == ("PNG" if protocol.startswith("png") else "JPEG")
    return np.asarray(picture, dtype=float), meant.astype(float)


@pytest.mark.parametrize("table", ["grey.sao", "aia_171.lut"])
def test_jpegs_show_the_image(table):
    seen, meant = shown(f"jpg,CT={table}")
    assert seen.shape == meant.shape
    assert np.abs(seen - meant).mean() < 2.5


@pytest.mark.parametrize("table", ["grey.sao", "aia_171.lut"])
def test_pngs_are_exact(table):
    seen, meant = shown(f"png,CT={table}")
    assert (seen == meant).all()


def test_film_holds_its_frames():
    frames = [Look.parse(f"jpg,max={80 + step}").draw(fits_file()) for step in range(3)]
    content = film(frames)
    boxes, place = {}, 0
    while place < len(content):
        size, kind = struct.unpack(">I4s", content[place : place + 8])
        boxes[kind], place = (place, size), place + size
    assert place == len(content)
    assert list(boxes) == [b"ftyp", b"moov", b"mdat"]
    table = content.index(b"stco")
    (offset,) = struct.unpack(">I", content[table + 12 : table + 16])
    assert offset == boxes[b"mdat"][0] + 8
    assert content[offset:] == b"".join(frames)
    entry = content.index(b"jpeg", content.index(b"stsd"))
    assert struct.unpack(">HH", content[entry + 28 : entry + 32]) == (50, 37)


@pytest.mark.parametrize("protocol", ["jpg", "png,size=2", "mp4"])
def test_pictures_need_pillow_and_say_so(desk, monkeypatch, protocol):
    monkeypatch.setitem(sys.modules, "PIL", None)
    answer = desk.export(protocol=protocol)
    assert answer["status"] == 4
    kind = protocol.partition(",")[0]
    assert answer["error"] == f"The sandbox needs Pillow for protocol {kind}: pip install pillow"
    assert desk.export()["status"] == "0"


def test_pictures_have_north_up_and_limits():
    data = np.zeros((8, 8))
    data[0, 0] = 100.0  # in the south, left
    look = Look.parse("jpg,CT=grey.sao,scaling=MINMAX,size=1")
    assert look.pixels(Image(data.copy(), {}, 0.0))[7, 0] == 255
    turned = look.pixels(Image(data.copy(), {"CROTA2": 180.0}, 0.0))
    assert turned[0, 7] == 255
    assert Look.parse("png,min=0,max=200").pixels(Image(data.copy(), {}, 0.0))[7, 0] == 128
    assert Look.parse("png,max=400,scaling=SQRT").pixels(Image(data.copy(), {}, 0.0))[7, 0] == 128
    assert Look.parse("png,size=4").pixels(Image(data.copy(), {}, 0.0)).shape == (2, 2)
    assert Look.parse("jpg,CT=aia_171.lut").pixels(Image(data.copy(), {}, 0.0)).shape == (8, 8, 3)
    assert Look.parse("fits") is None
    with pytest.raises(ProcessError):
        Look.parse("png,size=16").pixels(Image(data, {}, 0.0))


@pytest.mark.parametrize("protocol", ["jpg,size=0", "jpg,size=x", "jpg,min=nan", "png,max=inf", "gif"])
def test_impossible_pictures_fail(desk, protocol):
    answer = desk.export(protocol=protocol)
    assert (answer["status"], answer["error"]) == (4, "invalid protocol")


def test_export_of_pictures(desk):
    answer = desk.export(protocol="jpg,CT=grey.sao,scaling=MINMAX,size=2,min=-100,max=100")
    assert answer["protocol"] == "jpg"
    assert answer["keywords"] == "jpg files"
    assert "requestid" not in answer
    assert answer["reqid"].startswith("JSOC_")
    assert [row["filename"][-4:] for row in answer["data"]] == [".jpg"] * 3
    content = desk.file(answer)
    assert (content[:4], content[-2:]) == (b"\xff\xd8\xff\xe0", b"\xff\xd9")


def test_export_of_a_film(desk):
    answer = desk.export(protocol="mp4,CT=HMI_mag.lut,scaling=MINMAX,size=4")
    assert answer["data"][0] == {"record": "movie of the following data", "filename": "hmi.M_720s.mp4"}
    assert answer["movie name"] == "hmi.M_720s.mp4"
    assert len(answer["data"]) == 4
    movie, frame = desk.file(answer), desk.file(answer, 1)
    assert movie[4:8] == b"ftyp"
    assert frame in movie


def test_vector_components_of_a_radial_field():
    """A field straight out of the Sun, seen from the Earth, has no other component; whatever the camera's rotation."""
    for crota in (0.0, 180.0, 30.0):
        view = View(64.5, 64.5, 0.0, 0.0, 16.0, crota, 960.0, 5.0, 100.0)
        header = {"CRPIX1": 64.5, "CRPIX2": 64.5, "CDELT1": 16.0, "CROTA2": crota}
        header |= {"RSUN_OBS": 960.0, "CRLT_OBS": 5.0, "CRLN_OBS": 100.0}
        y, x = np.mgrid[1:129, 1:129]
        longitude, latitude = (np.radians(angle) for angle in view.heliographic(*view.sky(x, y)))
        tilt = np.radians(5.0)
        west = np.cos(latitude) * np.sin(longitude)
        north = np.sin(latitude) * np.cos(tilt) - np.cos(latitude) * np.sin(tilt) * np.cos(longitude)
        towards = np.cos(latitude) * np.cos(longitude) * np.cos(tilt) + np.sin(latitude) * np.sin(tilt)
        turn = np.radians(crota)
        right, up = west * np.cos(turn) + north * np.sin(turn), north * np.cos(turn) - west * np.sin(turn)
        azimuth = np.degrees(np.arctan2(-right, up)) % 360
        flipped = azimuth >= 180
        inclination = np.degrees(np.arccos(np.clip(towards, -1, 1)))
        values = {"field": np.full((128, 128), 500.0), "inclination": inclination}
        values |= {"azimuth": azimuth % 180, "disambig": np.where(flipped, 4.0, 0.0)}
        images = {name: Image(data, dict(header), 0.0) for name, data in values.items()}
        found = components(images, weak=2)
        disk = np.isfinite(longitude)
        assert np.allclose(found["Br"][disk], 500, atol=1e-6)
        assert np.allclose(found["Bp"][disk], 0, atol=1e-6)
        assert np.allclose(found["Bt"][disk], 0, atol=1e-6)
        assert np.isnan(found["Br"][0, 0])
        with pytest.raises(ProcessError):
            components(images, weak=7)


def test_errors_of_vector_components():
    """Small errors of field and angles move the components as far as their propagation says."""
    rng = np.random.default_rng(7)
    header = {"CRPIX1": 16.5, "CRPIX2": 16.5, "CDELT1": 40.0, "CROTA2": 179.9}
    header |= {"RSUN_OBS": 960.0, "CRLT_OBS": -5.0, "CRLN_OBS": 100.0}
    values = {"field": rng.uniform(300, 900, (32, 32)), "inclination": rng.uniform(20, 160, (32, 32))}
    values |= {"azimuth": rng.uniform(0, 180, (32, 32)), "disambig": rng.integers(0, 2, (32, 32)) * 7.0}
    sizes = dict(zip(ERROR_INPUTS, (3.0, 0.2, 0.3, 0.4, -0.3, 0.2), strict=True))

    def made(changed):
        full = values | {name: np.full((32, 32), size) for name, size in sizes.items()} | changed
        return components({name: Image(data, dict(header), 0.0) for name, data in full.items()})

    told = made({})
    covariance = np.array([[1, 0.4, -0.3], [0.4, 1, 0.2], [-0.3, 0.2, 1]])
    steps = rng.multivariate_normal(np.zeros(3), covariance, 400) * (3.0, 0.2, 0.3)
    names = ("field", "inclination", "azimuth")
    moved = [made({name: values[name] + one for name, one in zip(names, step, strict=True)}) for step in steps]
    for name in ("Bp", "Bt", "Br"):
        seen = np.std([one[name] for one in moved], axis=0)
        assert np.nanmedian(np.abs(seen / told[f"{name}_err"] - 1)) < 0.05


def test_export_of_vector_components(desk):
    answer = desk.export("hmi.B_720s[2014.01.01_TAI]", process="n=0|HmiB2ptr,l=1", filenamefmt="{T_REC:A}.{segment}")
    assert [row["filename"] for row in answer["data"]] == [
        f"20140101_000000_TAI.{segment}.fits" for segment in ("Bp", "Bt", "Br", "lon", "lat")
    ]
    for number, segment in ((3, "lon"), (4, "lat")):
        with fits.open(BytesIO(desk.file(answer, number))) as units:
            angle, header = np.array(units[1].data), units[1].header
        assert header["BUNIT"] == "degree"
        assert (np.nanmin(angle), np.nanmax(angle)) == pytest.approx((-90, 90), abs=30)  # the poles are tilted
        # north and west are where the camera, upside down, has its lower left
        assert np.nanmean(angle[:128] if segment == "lat" else angle[:, :128]) > 20
    assert answer["data"][0]["record"].startswith("hmi.B_720s_mod[2014.01.01_00:00:00_TAI][JSOC_")
    squares = 0.0
    for number in range(3):
        with fits.open(BytesIO(desk.file(answer, number))) as units:
            squares = squares + np.array(units[1].data, dtype=float) ** 2
    field = desk.export("hmi.B_720s[2014.01.01_TAI]{field}", filenamefmt="{segment}")
    with fits.open(BytesIO(desk.file(field))) as units:
        strength = np.array(units[1].data, dtype=float)
    both = np.isfinite(squares) & np.isfinite(strength)
    assert both.sum() > 10_000
    assert np.allclose(np.sqrt(squares[both]), strength[both], rtol=1e-3, atol=0.1)


def test_vector_components_need_a_vector_series(desk):
    answer = desk.export(process="n=0|HmiB2ptr,l=1")
    assert answer["error"] == "Invalid process field value: n=0|HmiB2ptr,l=1."


@pytest.mark.parametrize(
    ("process", "shape"),
    [
        ("rebin,method=boxcar,scale=0.25", (64, 64)),
        (f"{BOX},width=40,height=30", (30, 40)),
    ],
)
def test_processed_exports_of_the_mission(desk, process, shape):
    answer = desk.export(process=f"n=0|{process}")
    assert all(row["record"].startswith("hmi.M_720s_mod[") for row in answer["data"])
    with fits.open(BytesIO(desk.file(answer)), checksum=True) as units:
        assert units[1].data.shape == shape
        assert units[1].header["DRMS_ID"].startswith("hmi.M_720s_mod:")
        assert units[1].header["PRIMARYK"] == "T_REC, CAMERA, RequestID"
        assert units[1].header["REQUESTI"] == answer["requestid"]


def test_a_cutout_takes_records_of_its_span_only(desk):
    answer = desk.export(process=f"n=0|{BOX},width=9,height=9,t_start=2014.01.01_00:10:00_TAI,t_stop=NotSpecified")
    assert [row["record"][15:34] for row in answer["data"]] == ["2014.01.01_00:12:00", "2014.01.01_00:24:00"]


def test_exported_images_are_the_stored_ones(desk):
    """Only the header differs: the compressed data unit is the same, byte for byte."""
    answer = desk.export(filenamefmt="{recnum:%d}.fits")
    stored = desk.export(protocol="as-is", filenamefmt="{recnum:%d}.fits")
    for number in range(3):
        headers, data = [], []
        for content in (desk.file(answer, number), desk.file(stored, number)):
            with fits.open(BytesIO(content), disable_image_compression=True) as units:
                place = units[1].fileinfo()
                headers.append(units[1].header)
                data.append(content[place["datLoc"] : place["datLoc"] + place["datSpan"]])
        new, old = headers
        assert data[0] == data[1]
        kept = {name: value for name, value in old.items() if name != "CHECKSUM"}
        assert {name: new[name] for name in kept} == kept
        assert len(new) > len(old) + 50


def test_a_resize_that_follows_the_first_image(desk):
    """Of two channels of AIA, whose telescopes point a little otherwise, the second is moved as the first is."""
    ds, middle = "aia.lev1_euv_12s[2014.01.01_00:00:36_TAI/12s][94,171]{image}", 128.5
    answer = desk.export(ds, process="n=0|resize,regrid=1,center_to=1", filenamefmt="{WAVELNTH}.fits")
    plain = desk.export(ds, process="n=0|resize,regrid=1,center_to=2", filenamefmt="{WAVELNTH}.fits")
    stored = desk.export(ds, filenamefmt="{WAVELNTH}.fits")
    with fits.open(BytesIO(desk.file(stored))) as units:
        first = units[1].header
    for number in range(2):
        with (
            fits.open(BytesIO(desk.file(answer, number))) as one,
            fits.open(BytesIO(desk.file(plain, number))) as other,
        ):
            moved, kept = (np.array(units[1].data[8:-8, 8:-8], dtype=float) for units in (one, other))
            assert (one[1].header["CRPIX1"], one[1].header["CRPIX2"]) == (middle, middle)
        # a shift of parts of a pixel, by the slopes
        slopes = np.gradient(kept)
        share = [(slope * (moved - kept)).sum() / (slope**2).sum() for slope in slopes]
        assert share == pytest.approx([first["CRPIX2"] - middle, first["CRPIX1"] - middle], abs=0.05)


def test_a_step_that_fails_leaves_no_file(desk):
    answer = desk.export(process="n=0|resize,rescale=1,scale_to=-1")
    assert desk.get(f"{answer['dir']}/{answer['data'][0]['filename']}").status == 404


def test_an_im_patch_that_gives_up_is_a_failed_export(desk):
    answer = desk.export(process="n=0|im_patch,x=0")
    assert (answer["status"], answer["error"][:24]) == (4, "Problem running im_patch")
