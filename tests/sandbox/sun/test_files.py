"""The files of the computed catalogue: FITS that open, agree with their keywords, and show a Sun."""

from __future__ import annotations

import warnings
from io import BytesIO

import numpy as np
import pytest

from jsoclite.sandbox.catalog.catalog import folder
from jsoclite.sandbox.mission.ephemeris import moment
from jsoclite.sandbox.mission.mission import MissionCatalog, Pointing
from jsoclite.sandbox.mission.regions import regions
from jsoclite.sandbox.mission.series import Rows
from jsoclite.sandbox.processing.image import Image, sample
from jsoclite.sandbox.processing.steps import components
from jsoclite.sandbox.sun.files import cea_sight, disk_of, segment_array, segment_file
from jsoclite.sandbox.sun.surface import Disk, Surface, channel, charges, grain

CATALOG = MissionCatalog(segment_file)
NAMES = list(CATALOG)
#: Series of which every segment is opened; of the others two are.
THOROUGH = {"hmi.ME_720s_fd10", "hmi.sharp_720s", "hmi.sharp_cea_720s", "hmi.S_720s", "hmi.meanpf_720s", "aia.lev1"}


def record(name, time="2014.01.10", **keys):
    """A record at a time, or with these prime keys."""
    series = CATALOG[name]
    limits = {key: (value, value) for key, value in keys.items()}
    if series.definition.slotting and name != "aia.lev1":
        key, slotting = next(iter(series.definition.slotting.items()))
        slot = slotting.slot(moment(time))
        limits[f"{key}_index"] = (slot, slot)
    if name == "aia.lev1":
        wavelength = limits.pop("wavelnth")[0]
        start = int(moment(time))
        recnums = series.candidates({"t_rec_index": (start, start + 23)}, False)
        waves = series.columns(recnums, ["wavelnth"])["wavelnth"]
        return int(recnums[waves == wavelength][0])
    return int(series.candidates(limits, False)[0])


def keywords(name, recnum, *columns):
    cols = CATALOG[name].columns(np.array([recnum]), columns)
    return {column: value[0] for column, value in cols.items()}


def magnetograms(*times):
    return [image("hmi.M_720s", record("hmi.M_720s", time), "magnetogram") for time in times]


def image(name, recnum, segment):
    return segment_array(rows(name, recnum), CATALOG[name].definition.segments[segment.lower()])


def rows(name, recnum):
    return Rows(CATALOG[name], np.array([recnum], dtype=np.int64))


def opened(content):
    """Array and header of the last HDU, as astropy gives them."""
    from astropy.io import fits

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(BytesIO(content)) as units:
            units.verify("exception")
            header = units[-1].header.copy()  # reading the data takes BLANK and BSCALE out of it
            return units[-1].data.copy(), header, len(units)


def any_record(name):
    """A record with an image, from the middle of the series."""
    series = CATALOG[name]
    low, high = series.extremes("recnum")
    middle = (int(low) + min(int(high), series.size)) // 2
    recnums = series.existing(np.arange(middle, middle + 700))
    own = next((one.number for one in series.definition.segments.values() if not one.link), 0)
    file = f"sg_{own:03d}_file"
    good = series.columns(recnums, [file])[file] if series.has_files else np.array([""])
    return int(recnums[good != ""][0])


# --- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in NAMES if CATALOG[name].has_files])
def test_segments_are_files_of_the_size_that_the_definition_gives(name):
    series = CATALOG[name]
    recnum = any_record(name)
    own = [segment for segment in series.definition.segments.values() if not segment.link]
    for segment in own if name in THOROUGH else own[:2]:
        content = segment_file(rows(name, recnum), segment)
        if segment.protocol != "fits":
            for text in (folder(content) or {"": content}).values():
                assert text.decode("ascii").startswith("#")
            continue
        data, header, units = opened(content)
        if segment.scope == "vardim":
            axes = [f"sg_{segment.number:03d}_axis{axis:03d}" for axis in range(2)]
            cols = series.columns(np.array([recnum]), axes)
            wanted = tuple(int(cols[axis][0]) for axis in axes)
        else:
            wanted = series.spec.axes  # the definition has the archive's own size
        assert data.shape == wanted[::-1]
        packed = series.definition.keywords[f"cparms_sg{segment.number:03d}"].default
        assert units == (2 if packed else 1)
        if segment.type in ("int", "short", "char"):
            assert header["BLANK"] == (-(2**31) if segment.type == "int" else -(2**15))
            scale = float(series.definition.keywords[f"{segment.name}_bscale".lower()].default)
            values = segment_array(rows(name, recnum), segment)
            good = np.isfinite(values) & (np.abs(values) < 0.9 * scale * (2**31 if segment.type == "int" else 2**15))
            assert good.any()
            assert np.abs(data[good] - values[good]).max() <= scale * 0.5001
            if segment.type != "char":
                assert np.isnan(data[~np.isfinite(values)].astype(float)).all()
        # nothing but the image: keywords are in the database
        assert not {"T_REC", "T_OBS", "CRPIX1", "QUALITY"} & set(header)


def test_files_are_the_same_bytes_whenever_made():
    for name, segment in (("hmi.M_720s", "magnetogram"), ("aia.lev1", "image_lev1"), ("hmi.sharp_cea_720s", "bitmap")):
        recnum = any_record(name)
        content = segment_file(rows(name, recnum), CATALOG[name].definition.segments[segment])
        assert segment_file(rows(name, recnum), CATALOG[name].definition.segments[segment]) == content
        assert MissionCatalog(segment_file).open_file(name, recnum, segment) == content


def test_compressed_files_are_small_and_rice_compressed():
    from astropy.io import fits

    content = CATALOG.open_file("hmi.M_720s", record("hmi.M_720s"), "magnetogram")
    assert len(content) < 256 * 256 * 4 * 0.6
    with fits.open(BytesIO(content), disable_image_compression=True) as units:
        assert units[1].header["ZCMPTYPE"] == "RICE_1"
        assert units[1].header["ZBITPIX"] == 32
        assert units[0].header["NAXIS"] == 0


def test_open_gives_the_file_behind_a_path():
    recnum = record("aia.lev1", wavelnth=171)
    path = CATALOG["aia.lev1"].path(recnum, "image_lev1")
    content = CATALOG.open_file(*CATALOG.locate(path))
    assert content == CATALOG.open_file("AIA.lev1", recnum, "IMAGE_LEV1")
    assert CATALOG.open_file(*CATALOG.locate(path)) is content  # kept
    assert CATALOG.locate(path.replace("image_lev1", "image")) is None


@pytest.mark.parametrize(
    ("series", "recnum", "segment"),
    [
        ("hmi.nothing", 1, "magnetogram"),
        ("hmi.M_720s", 0, "magnetogram"),
        ("hmi.M_720s", 10**12, "magnetogram"),
        ("hmi.M_720s", 160921, "nothing"),
        ("aia.lev1_euv_12s", 66981601, "image"),
    ],
)
def test_what_is_no_file_is_a_key_error(series, recnum, segment):
    with pytest.raises(KeyError):
        CATALOG.open_file(series, recnum, segment)


def test_few_files_are_kept():
    catalog = MissionCatalog(segment_file)
    first = any_record("hmi.V_sht_modes")
    for recnum in range(first - 60, first + 20):
        for segment in ("m6", "m18"):
            if catalog.existing("hmi.V_sht_modes", recnum):
                catalog.open_file("hmi.V_sht_modes", recnum, segment)
    assert 100 < catalog._made.cache_info().currsize <= 128


# --- agreement with the keywords -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "segment", "time"),
    [
        ("hmi.M_720s", "magnetogram", "2014.01.10"),
        ("hmi.Ic_45s", "continuum", "2020.07.05"),
        ("mdi.fd_M_96m_lev182", "data", "2001.03.01"),
    ],
)
def test_the_disk_is_where_the_keywords_say(name, segment, time):
    recnum = record(name, time)
    on = np.isfinite(image(name, recnum, segment))
    words = keywords(name, recnum, "crpix1", "crpix2", "cdelt1", "rsun_obs", "datavals")
    rows, columns = np.nonzero(on)
    assert columns.mean() + 1 == pytest.approx(words["crpix1"], abs=0.05)
    assert rows.mean() + 1 == pytest.approx(words["crpix2"], abs=0.05)
    assert np.sqrt(on.sum() / np.pi) == pytest.approx(words["rsun_obs"] / words["cdelt1"], abs=0.05)
    assert on.sum() == pytest.approx(words["datavals"], rel=2e-3)


def pixels_of(name, recnum, longitude, latitude):
    """Pixels (from 0) of Carrington coordinates (degrees) in an image, by its header alone: astropy's HPLN-TAN."""
    from astropy.wcs import WCS

    names = ("crpix1", "crpix2", "cdelt1", "cdelt2", "crota2", "crln_obs", "crlt_obs", "dsun_obs")
    words = keywords(name, recnum, *names)
    system = WCS(
        {"CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN", "CUNIT1": "arcsec", "CUNIT2": "arcsec"}
        | {name.upper(): float(words[name]) for name in names[:5]}
    )
    lon, lat, tilt = np.radians(longitude - words["crln_obs"]), np.radians(latitude), np.radians(words["crlt_obs"])
    west, towards = np.cos(lat) * np.sin(lon), np.cos(lat) * np.cos(lon)
    north, towards = (
        np.sin(lat) * np.cos(tilt) - towards * np.sin(tilt),
        np.sin(lat) * np.sin(tilt) + towards * np.cos(tilt),
    )
    depth = words["dsun_obs"] / 6.96e8 - towards
    angles = np.arctan2(west, depth), np.arctan2(north, np.hypot(west, depth))
    return system.wcs_world2pix(*(np.degrees(angle) for angle in angles), 0)


@pytest.mark.parametrize(
    ("name", "segment", "keys", "number", "time", "least"),
    [
        ("hmi.M_720s", "magnetogram", {}, 3563, "2014.01.05", 150),
        ("hmi.M_720s", "magnetogram", {}, 377, "2011.02.14", 150),
        ("hmi.B_720s", "field", {}, 3604, "2014.01.12", 400),
        ("aia.lev1", "image_lev1", {"wavelnth": 193}, 3563, "2014.01.05", 1200),
        ("aia.lev1", "image_lev1", {"wavelnth": 94}, 377, "2011.02.14", 8),
    ],
)
def test_regions_lie_where_their_harps_are(name, segment, keys, number, time, least):
    recnum = record(name, time, **keys)
    values = np.abs(np.nan_to_num(image(name, recnum, segment)))
    which = np.flatnonzero(regions().number == number)
    longitude = regions().carrington(which, np.array([moment(time)]))
    x, y = (place[0] for place in pixels_of(name, recnum, longitude, regions().latitude[which]))
    rows, columns = np.mgrid[: values.shape[0], : values.shape[1]]
    weight = values * (values > least) * (np.hypot(columns - x, rows - y) < 20)
    assert (weight > 0).sum() > 8
    assert (weight * columns).sum() / weight.sum() == pytest.approx(x, abs=3.5)
    assert (weight * rows).sum() / weight.sum() == pytest.approx(y, abs=3.5)


def test_hmi_stands_upside_down_and_aia_does_not():
    magnetic = np.abs(np.nan_to_num(image("hmi.M_720s", record("hmi.M_720s", "2014.01.05"), "magnetogram")))
    corona = image("aia.lev1", record("aia.lev1", "2014.01.05", wavelnth=193), "image_lev1")
    # AIA's pixels in HMI's image
    ratio = 0.600758 / 0.50435674
    place = np.clip(np.rint(127.5 + (np.arange(256) - 127.5) * ratio).astype(int), 0, 255)
    bright, strong = corona > 1500, magnetic > 100
    upright = strong[::-1, ::-1][np.ix_(place, place)]
    standing = strong[np.ix_(place, place)]
    assert np.corrcoef(bright.ravel(), upright.ravel())[0, 1] > 0.3
    assert np.corrcoef(bright.ravel(), standing.ravel())[0, 1] < 0.1


def test_statistics_of_dopplergrams_and_continuum_agree_with_the_keywords():
    for name, segment in (("hmi.V_45s", "Dopplergram"), ("hmi.Ic_720s", "continuum")):
        recnum = record(name)
        values = image(name, recnum, segment)
        words = keywords(name, recnum, "datamean", "datarms", "datamin", "datamax")
        assert np.nanmean(values) == pytest.approx(words["datamean"], abs=80 if name == "hmi.V_45s" else 1500)
        assert np.nanstd(values) == pytest.approx(words["datarms"], rel=0.1)
        assert np.nanmax(values) == pytest.approx(words["datamax"], rel=0.1)


def test_dopplergrams_turn_with_the_sun():
    recnum = record("hmi.V_45s")
    values = image("hmi.V_45s", recnum, "Dopplergram")
    # upside down: the receding western limb is on the left
    left, right = np.nanmean(values[100:156, 10:60]), np.nanmean(values[100:156, 196:246])
    assert left - right > 1500


def test_vector_field_agrees_with_the_magnetogram():
    recnum = record("hmi.B_720s")
    field, inclination = (image("hmi.B_720s", recnum, segment) for segment in ("field", "inclination"))
    magnetogram = image("hmi.M_720s", record("hmi.M_720s"), "magnetogram")
    strong = np.nan_to_num(field) > 400
    assert strong.sum() > 100
    along = field[strong] * np.cos(np.radians(inclination[strong]))
    assert np.corrcoef(along, magnetogram[strong])[0, 1] > 0.98
    azimuth = image("hmi.B_720s", recnum, "azimuth")
    assert (np.nanmin(azimuth), np.nanmax(azimuth)) == pytest.approx((0, 180), abs=0.1)
    flags = image("hmi.B_720s", recnum, "disambig").astype(int)
    confidence = image("hmi.B_720s", recnum, "conf_disambig")
    assert set(np.unique(confidence[np.isfinite(field)])) == {50.0, 60.0, 90.0}
    assert np.mean(confidence[np.isfinite(field)] > 50) < 0.1
    # one answer where the field was annealed, three where it is weak (jsocwiki/FullDiskDisamb)
    assert set(np.unique(flags[confidence > 50])) == {0, 7}
    weak = confidence == 50
    assert set(np.unique(flags[weak])) == set(range(8))
    for one, other in ((0, 1), (1, 2)):  # chance agrees with the others half of the time
        assert (flags[weak] >> one & 1 == flags[weak] >> other & 1).mean() == pytest.approx(0.5, abs=0.03)


def test_the_radial_acute_answer_is_the_more_radial_one():
    recnum = record("hmi.B_720s")
    names = ("field", "inclination", "azimuth", "disambig")
    words = keywords("hmi.B_720s", recnum, "crpix1", "crpix2", "cdelt1", "crota2", "rsun_obs", "crlt_obs")
    header = {name.upper(): float(value) for name, value in words.items()}
    found = []
    for other in (0.0, 7.0):
        pictures = {name: Image(image("hmi.B_720s", recnum, name), header, 0.0) for name in names}
        pictures["disambig"].data = np.abs(pictures["disambig"].data - other)
        found.append(np.abs(components(pictures, weak=2)["Br"]))
    weak = image("hmi.B_720s", recnum, "conf_disambig") == 50
    # rounding in the header's coordinates counts beside the limb
    assert (found[0] >= found[1] - 3)[weak & np.isfinite(found[0])].mean() > 0.999


@pytest.mark.parametrize(("number", "time"), [(377, "2011.02.15"), (3604, "2014.01.10"), (1834, "2012.07.11")])
def test_flux_of_a_sharp_is_that_of_its_keyword(number, time):
    recnum = record("hmi.sharp_cea_720s", time, harpnum=number)
    radial = image("hmi.sharp_cea_720s", recnum, "Br")
    words = keywords("hmi.sharp_cea_720s", recnum, "usflux", "crpix1", "crpix2", "cdelt1")
    area = (np.radians(words["cdelt1"]) * 6.96e10) ** 2
    flux = np.abs(radial[np.abs(radial) > 100]).sum() * area
    assert 0.4 < flux / words["usflux"] < 1.3
    assert abs(radial.sum()) < 0.25 * np.abs(radial).sum()  # two polarities
    assert (words["crpix1"], words["crpix2"]) == ((radial.shape[1] + 1) / 2, (radial.shape[0] + 1) / 2)


def test_pixels_of_a_patch_lie_where_its_header_says():
    from astropy.wcs import WCS

    recnum = record("hmi.sharp_cea_720s", "2011.02.15", harpnum=377)
    names = ("crpix1", "crpix2", "crval1", "crval2", "cdelt1", "cdelt2", "ctype1", "ctype2", "cunit1", "cunit2")
    header = {name.upper(): value for name, value in keywords("hmi.sharp_cea_720s", recnum, *names).items()}
    header |= {"CUNIT1": "deg", "CUNIT2": "deg"}
    shape = image("hmi.sharp_cea_720s", recnum, "Br").shape
    surface = cea_sight(rows("hmi.sharp_cea_720s", recnum)).surface
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    longitude, latitude = WCS(header).pixel_to_world_values(x, y)
    # CRVAL1 and CRVAL2 are floats of 32 bits
    assert np.abs(surface.latitude - latitude).max() < 2e-6
    assert np.abs((surface.carrington - longitude + 180) % 360 - 180).max() < 2e-6
    # a square on the Sun: as wide as high in degrees of a great circle
    middle = (shape[0] // 2, shape[1] // 2)
    wide = (longitude[middle] - longitude[middle[0], middle[1] - 1]) * np.cos(np.radians(latitude[middle]))
    assert wide == pytest.approx(latitude[middle] - latitude[middle[0] - 1, middle[1]], rel=1e-3)


@pytest.mark.parametrize(
    ("name", "time", "keys"),
    [
        ("hmi.M_720s", "2011.02.11", {}),
        ("hmi.Ic_45s", "2024.06.28", {}),
        ("hmi.sharp_720s", "2014.01.10", {"harpnum": 3604}),
        ("hmi.sharp_720s", "2024.06.28", {"harpnum": 11465}),
        ("mdi.fd_M_96m_lev182", "2001.03.01", {}),
        ("mdi.fd_M_96m_lev182", "2004.03.01", {}),
        ("mdi.smarp_96m", "2004.07.20", {"tarpnum": 3065}),
        ("mdi.smarp_96m", "2001.03.29", {"tarpnum": 1872}),
        ("aia.lev1", "2014.01.10", {"wavelnth": 171}),
    ],
)
def test_the_surface_is_drawn_where_the_header_has_it(name, time, keys):
    recnum = record(name, time, **keys)
    disk = disk_of(rows(name, recnum))
    y, x = np.nonzero(disk.on)
    # the years differ in what the meridian's longitude is called (CALVER64), not in where it lies
    header = keywords(name, recnum, "rsun_obs", "cdelt1", "crln_obs")
    found = pixels_of(name, recnum, disk.from_meridian + header["crln_obs"], disk.latitude)
    # keywords of 32 bits, printed longitudes; the very limb is steep
    assert np.abs(found - np.stack([x, y])).max() < 0.005
    assert disk.pointing.radius == pytest.approx(header["rsun_obs"] / header["cdelt1"], rel=1e-5)


@pytest.mark.parametrize(
    ("name", "number", "time"),
    [
        ("hmi.sharp_720s", 377, "2011.02.15"),
        ("hmi.sharp_720s", 377, "2011.02.11"),
        ("hmi.sharp_720s", 3604, "2014.01.10"),
        ("hmi.sharp_720s", 11465, "2024.06.28"),
        ("mdi.smarp_96m", 1872, "2001.03.29"),
    ],
)
def test_maps_and_images_agree_by_their_headers(name, number, time):
    keys, maps = {"tarpnum" if "mdi" in name else "harpnum": number}, name.replace("arp_", "arp_cea_")
    mapped = record(maps, time, **keys)
    known = image(maps, mapped, "magnetogram")
    words = keywords(maps, mapped, "crval1", "crval2", "cdelt1")
    (lines, columns), radians = known.shape, np.radians(words["cdelt1"])
    across, sine = np.meshgrid(
        (np.arange(columns) - (columns - 1) / 2) * radians, (np.arange(lines) - (lines - 1) / 2) * radians
    )
    cosine, middle = np.sqrt(1 - sine**2), np.radians(words["crval2"])
    latitude = np.arcsin(sine * np.cos(middle) + cosine * np.cos(across) * np.sin(middle))
    towards = cosine * np.cos(across) * np.cos(middle) - sine * np.sin(middle)
    longitude = words["crval1"] + np.degrees(np.arctan2(cosine * np.sin(across), towards))
    recnum = record(name, time, **keys)
    x, y = pixels_of(name, recnum, longitude, np.degrees(latitude))
    picture = np.nan_to_num(image(name, recnum, "magnetogram"))
    moved = [
        sample(picture, x + 1 + dx, y + 1 + dy) for dx, dy in ((0, 0), (0.25, 0), (-0.25, 0), (0, 0.25), (0, -0.25))
    ]
    slopes = np.stack([(moved[1] - moved[2]) * 2, (moved[3] - moved[4]) * 2], axis=-1)
    good = np.isfinite(slopes).all(axis=-1) & np.isfinite(known)
    # what is to be added to the header's pixels
    away, *_ = np.linalg.lstsq(slopes[good], (known - moved[0])[good], rcond=None)
    assert np.hypot(*away) < 0.05
    assert np.corrcoef(known[good], moved[0][good])[0, 1] > 0.9
    assert (known[good] @ moved[0][good]) / (moved[0][good] @ moved[0][good]) == pytest.approx(1, abs=0.1)


def test_leading_polarities_follow_hale():
    for time, number in (("2011.02.15", 377), ("2014.01.10", 3604)):
        recnum = record("hmi.sharp_cea_720s", time, harpnum=number)
        radial = image("hmi.sharp_cea_720s", recnum, "Br")
        columns = np.arange(radial.shape[1])
        strong = np.where(np.abs(radial) > 400, radial, 0)
        west = (np.maximum(strong, 0) * columns).sum() / np.maximum(strong, 0).sum()
        east = (np.maximum(-strong, 0) * columns).sum() / np.maximum(-strong, 0).sum()
        north = regions().latitude[regions().number == number][0] > 0
        # cycle 24: negative leads in the north, positive in the south
        assert (west > east) != north


def test_patches_in_both_projections_show_the_same_region():
    time, number = "2011.02.15", 377
    cea = image("hmi.sharp_cea_720s", record("hmi.sharp_cea_720s", time, harpnum=number), "magnetogram")
    recnum = record("hmi.sharp_720s", time, harpnum=number)
    ccd = image("hmi.sharp_720s", recnum, "magnetogram")[::-1, ::-1]
    size = min(cea.shape[0], ccd.shape[0]), min(cea.shape[1], ccd.shape[1])

    def middle(values):
        top, left = (values.shape[0] - size[0]) // 2, (values.shape[1] - size[1]) // 2
        return np.nan_to_num(values[top : top + size[0], left : left + size[1]])

    assert np.corrcoef(middle(cea).ravel(), middle(ccd).ravel())[0, 1] > 0.55
    words = keywords("hmi.sharp_720s", recnum, "crpix1", "crpix2", "cdelt1", "imcrpix1")
    assert words["cdelt1"] == pytest.approx(2.017, abs=0.01)
    bitmap = image("hmi.sharp_720s", recnum, "bitmap")
    assert set(np.unique(bitmap)) <= {0.0, 1.0, 2.0, 33.0, 34.0}
    assert (bitmap == 34).any()


def test_channels_look_different():
    pictures = {}
    for wave in (94, 131, 171, 193, 211, 304, 335, 1600, 1700):
        # 1600 and 1700 take turns within 24 s
        values = image("aia.lev1", record("aia.lev1", "2014.01.05", wavelnth=wave), "image_lev1")
        assert np.isfinite(values).all()
        pictures[wave] = np.sqrt(np.maximum(values, 0)).ravel()
    waves = list(pictures)
    close = np.corrcoef([pictures[wave] for wave in waves])
    assert close[np.triu_indices(len(waves), 1)].max() < 0.995
    means = {wave: pictures[wave].mean() for wave in waves}
    assert means[171] > means[304] > means[94]


def test_records_differ_and_change_slowly():
    first, second, later = magnetograms("2014.01.10", "2014.01.10_00:12", "2014.01.14")
    assert not np.array_equal(first, second, equal_nan=True)
    both = np.isfinite(first) & np.isfinite(second)
    assert np.corrcoef(first[both], second[both])[0, 1] > 0.9
    both = np.isfinite(first) & np.isfinite(later)
    assert np.corrcoef(first[both], later[both])[0, 1] < 0.3


def test_solar_minimum_is_quiet():
    busy, quiet = magnetograms("2014.01.10", "2019.10.01")
    assert np.nanstd(busy) > 1.7 * np.nanstd(quiet)


CHART_PAIR = {"hmi.Synoptic_Mr_720s": "synopMr", "mdi.synoptic_Mr_96m": "data"}


def test_old_fields_drift_to_the_poles():
    """In cycle 24 the north's following polarity was positive: it leaves the belt first, and turns the pole later."""
    charts = {}
    for rotation in range(2110, 2180, 2):  # 2011 to 2016
        recnum = int(CATALOG["hmi.Mrsynop_small_720s"].candidates({"car_rot": (rotation, rotation)}, False)[0])
        charts[rotation] = np.median(image("hmi.Mrsynop_small_720s", recnum, "data"), axis=1)
    sine = (np.arange(180) + 0.5) / 90 - 1
    lanes = [(np.abs(np.degrees(np.arcsin(sine)) - lat) < 5) for lat in (38, 58, -38)]
    low, high, south = (np.array([chart[lane].mean() for chart in charts.values()]) for lane in lanes)
    assert low.mean() > 0.2 > -0.2 > south.mean()
    shifts = [np.corrcoef(low[: len(low) - n], high[n:])[0, 1] for n in range(10)]
    assert 0.6 < np.argmax(shifts) * 2 * 27.3 / 365 < 1.4  # 20 degrees in a year


def test_regions_stay_unipolar_longer_than_a_rotation():
    points = np.meshgrid(np.arange(0, 360, 3.0), np.arange(-40, 41, 3.0))
    when = moment("2014.01.10")
    seen = [
        Surface(when + day * 86400, points[1], points[0]).wandering("remnant", 9.0, 40.0) for day in range(0, 400, 10)
    ]
    likeness = [np.corrcoef(seen[0].ravel(), one.ravel())[0, 1] for one in seen]
    assert likeness[1] > 0.8
    assert min(likeness) > -0.3  # nor do they come back with the other sign
    assert np.std(seen) == pytest.approx(1, abs=0.1)


def test_only_filled_charts_have_the_pole_that_is_turned_away():
    for rotation, away in ((2153, slice(0, 4)), (2147, slice(-4, None))):  # August (north seen) and March
        recnums = [
            int(CATALOG[name].candidates({"car_rot": (rotation, rotation)}, False)[0])
            for name in ("hmi.Synoptic_Mr_720s", "hmi.Synoptic_Mr_polfil_720s")
        ]
        plain = image("hmi.Synoptic_Mr_720s", recnums[0], "synopMr")
        filled = image("hmi.Synoptic_Mr_polfil_720s", recnums[1], "Mr_polfil")
        assert np.isfinite(filled).all()
        missing = np.isnan(plain)
        assert missing[away].any()
        assert (
            missing.sum() == missing[away].sum() == keywords("hmi.Synoptic_Mr_720s", recnums[0], "missvals")["missvals"]
        )
        assert np.array_equal(plain[~missing], filled[~missing])
    recnum = int(CATALOG["hmi.Synoptic_Mr_720s"].candidates({"car_rot": (2210, 2210)}, False)[0])
    missing = keywords("hmi.Synoptic_Mr_720s", recnum, "missvals")["missvals"]
    assert missing / (720 * 288) == pytest.approx(1048 / 259200, rel=0.5)  # a published header of that rotation


def test_synoptic_charts_hold_the_poles_of_the_cycle():
    series = CATALOG["hmi.Synoptic_Mr_720s"]
    for rotation, north in ((2096, -1), (2219, 1)):
        recnum = int(series.candidates({"car_rot": (rotation, rotation)}, False)[0])
        chart = image("hmi.Synoptic_Mr_720s", recnum, "synopMr")
        assert np.sign(np.nanmean(chart[-8:])) == north
        assert np.sign(np.nanmean(chart[:8])) == -north
    recnums = [int(CATALOG[name].candidates({"car_rot": (2100, 2100)}, False)[0]) for name in CHART_PAIR]
    hmi, mdi = (
        image(name, recnum, segment) for (name, segment), recnum in zip(CHART_PAIR.items(), recnums, strict=True)
    )
    both = np.isfinite(hmi) & np.isfinite(mdi)
    strong = both & (np.abs(hmi) > 50)
    assert np.polyfit(hmi[strong], mdi[strong], 1)[0] == pytest.approx(
        1.4, abs=0.03
    )  # about 1/0.701, Liu et al. (2025)
    assert 4 < np.std((mdi - 1.4 * hmi)[both]) < 8  # each has noise of its own
    polar = image("hmi.meanpf_720s", record("hmi.meanpf_720s", "2019.07.01"), "mf_br")
    assert polar.shape == (180,)
    assert polar[:20].mean() > 1.5 > -1.5 > polar[-20:].mean()


# --- the model -------------------------------------------------------------------------------------------------------


def test_charges_make_the_flux_of_the_region():
    found = regions()
    which = int(np.flatnonzero(found.number == 377)[0])
    time = moment("2011.02.15")
    part = charges(which, time)
    centimetres = np.radians(1) * 6.96e10
    flux = 2 * np.pi * np.abs(part.strength).sum() * centimetres**2
    wanted = found.flux[which] * found.growth(np.array([which]), np.array([time]))[0]
    assert flux == pytest.approx(wanted, rel=1e-6)
    assert part.strength.sum() == pytest.approx(0, abs=1e-6 * np.abs(part.strength).sum())


def test_the_field_of_the_regions_is_a_potential_field():
    # no current: the curl of the field along the surface vanishes near the middle of a region
    found = regions()
    which = int(np.flatnonzero(found.number == 377)[0])
    time = moment("2011.02.15")
    middle = found.carrington(np.array([which]), np.array([time]))[0]
    step = 0.05
    offset = np.arange(-40, 41) * step
    lon, lat = np.meshgrid(middle + offset / np.cos(np.radians(found.latitude[which])), found.latitude[which] + offset)
    field = Surface(time, lat, lon % 360).region_field()
    curl = np.gradient(field.north, step, axis=1) - np.gradient(field.west, step, axis=0)
    size = np.abs(np.gradient(field.west, step, axis=1)) + np.abs(np.gradient(field.north, step, axis=0))
    assert np.abs(curl[5:-5, 5:-5]).mean() < 0.15 * size[5:-5, 5:-5].mean()


def test_disk_geometry():
    disk = Disk(Pointing((101, 101), (51, 51), 40.0, 0.0, 120.0, 5.0), 0.0)
    assert disk.latitude.max() < 90
    centre = np.argmax(disk.mu)
    assert disk.mu[centre] == pytest.approx(1)
    assert disk.latitude[centre] == pytest.approx(5, abs=1e-6)
    assert disk.from_meridian[centre] == pytest.approx(0, abs=1e-6)
    full = disk.filled(disk.from_meridian)
    assert full[51, 80] > 30 > -30 > full[51, 20]
    turned = Disk(Pointing((101, 101), (51, 51), 40.0, 180.0, 120.0, 5.0), 0.0)
    assert turned.filled(turned.latitude)[::-1, ::-1] == pytest.approx(
        disk.filled(disk.latitude), nan_ok=True, abs=1e-6
    )


def test_seen_field_keeps_its_strength():
    disk = Disk(Pointing((64, 64), (32.5, 32.5), 28.0, 180.0, 200.0, -6.0), moment("2014.01.05"))
    field = disk.surface.field
    strength = sum(part**2 for part in disk.seen(field))
    assert strength == pytest.approx(sum(part**2 for part in field), rel=1e-6)


def test_noise_depends_on_its_key_only():
    assert np.array_equal(grain((20, 30), 7, "test"), grain((20, 30), 7, "test"))
    assert not np.array_equal(grain((20, 30), 7, "test"), grain((20, 30), 8, "test"))
    assert grain((256, 256), 12345, "edge").std() == pytest.approx(1, abs=0.02)


def test_the_corona_reaches_beyond_the_limb():
    disk = Disk(Pointing((128, 128), (64.5, 64.5), 48.0, 0.0, 10.0, 3.0), moment("2014.01.05"))
    for wave in (171, 304):
        picture = channel(wave, disk, 1.0)
        r = np.sqrt(disk.radius2)
        near, far = picture[(r > 1.01) & (r < 1.05)].mean(), picture[(r > 1.25) & (r < 1.3)].mean()
        assert near > 3 * far
        assert (picture >= 0).all()


# --- images as large as the archive's --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "segment", "keys", "pixels", "size"),
    [
        ("hmi.M_720s", "magnetogram", {}, 1024, 1024),
        ("hmi.Ic_45s", "continuum", {}, 4096, 4096),
        ("hmi.B_720s", "disambig", {}, 512, 512),
        ("mdi.fd_M_96m_lev182", "data", {}, 4096, 1024),
        ("aia.lev1", "image_lev1", {"wavelnth": 171}, 2048, 2048),
        ("hmi.b_720s_e15w1332_cutout", "field", {}, 4096, None),
    ],
)
def test_large_images_show_what_the_small_ones_do(name, segment, keys, pixels, size):
    large = MissionCatalog(segment_file, pixels=pixels)
    time = {"mdi": "2004.03.01", "hmi.b": "2011.02.14"}.get(name.split("_720s_e")[0].split(".fd")[0], "2014.01.10")
    recnum = record(name, time, **keys)
    small, (values, *_) = image(name, recnum, segment), opened(large.open_file(name, recnum, segment))
    if size is None:
        assert values.shape == small.shape
        return
    assert values.shape == (size, size)
    axis = f"sg_{large[name].definition.segments[segment].number:03d}_axis000"
    assert large[name].columns(np.array([recnum]), [axis])[axis].tolist() == [size]
    zoom = size // 256
    assert np.isfinite(values).mean() == pytest.approx(np.isfinite(small).mean(), abs=2e-3)
    means = values.reshape(256, zoom, 256, zoom).mean(axis=(1, 3))
    both = np.isfinite(means) & np.isfinite(small)
    assert np.corrcoef(means[both], small[both])[0, 1] > 0.9
    words = ["crpix1", "crpix2", "cdelt1", "rsun_obs", *(["r_sun"] if "aia" in name or "mdi" in name else [])]
    now = {column: value[0] for column, value in large[name].columns(np.array([recnum]), [*words, "datavals"]).items()}
    then = keywords(name, recnum, *words, "datavals")
    assert now["cdelt1"] * zoom == pytest.approx(then["cdelt1"])
    assert now["datavals"] == then["datavals"] * zoom**2
    assert now["crpix2"] - 0.5 == pytest.approx((then["crpix2"] - 0.5) * zoom)
    if "r_sun" in now:
        assert now["r_sun"] == pytest.approx(now["rsun_obs"] / now["cdelt1"], rel=1e-4)
    if np.isnan(values).any():
        lines, columns = np.nonzero(np.isfinite(values))
        assert (columns.mean() + 1, lines.mean() + 1) == pytest.approx((now["crpix1"], now["crpix2"]), abs=0.02)


def test_large_images_are_compressed_row_by_row_and_kept():
    from astropy.io import fits

    large = MissionCatalog(segment_file, pixels=4096)
    recnum = record("hmi.M_720s")
    content = large.open_file("hmi.M_720s", recnum, "magnetogram")
    assert large.open_file("hmi.M_720s", recnum, "magnetogram") is content
    with fits.open(BytesIO(content), disable_image_compression=True) as units:
        header = units[1].header
    assert [header[name] for name in ("ZCMPTYPE", "ZTILE1", "ZTILE2", "NAXIS2")] == ["RICE_1", 4096, 1, 4096]
    # as large as the archive's
    assert 12e6 < len(content) < 17e6
