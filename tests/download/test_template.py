"""Names that users spell: keywords in braces, folders, and never two files under one name, or one outside."""

import ntpath
import os
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import jsoclite
from jsoclite.cli import main
from jsoclite.download.ledger import Ledger
from jsoclite.download.names import LONGEST, Namer
from jsoclite.download.template import Template
from jsoclite.errors import ArgumentError, JsocWarning, UnknownName
from jsoclite.sandbox import Fault, Sandbox
from jsoclite.series import FileKey

SHARP = "hmi.sharp_cea_720s"
SET = f"{SHARP}[377][2011.02.15_00:00_TAI/24m]{{Br,Bt}}"
NAME = "{T_REC:%Y/%m}/{harpnum:06d}.{T_REC:%Y%m%d_%H%M%S}.{segment}.fits"
NAMES = [f"2011/02/000377.20110215_00{minute}00.{segment}.fits" for minute in ("00", "12") for segment in ("Br", "Bt")]
ONE = "hmi.M_720s[2014.01.01_TAI/36m]{magnetogram}"


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(staging_s=0) as made:
        yield made


@pytest.fixture
def client(sandbox):
    with sandbox.client() as made:
        yield made


@pytest.fixture
def asked(sandbox):
    """How many files were asked for, exports made, and lists, since this was last said."""

    def since():
        paths = [one.path for one in sandbox.requests]
        now = np.array(
            [sum("/SUM" in one for one in paths), len(sandbox.staging), sum("jsoc_info" in p for p in paths)]
        )
        before, since.before = since.before, now
        return dict(zip(("files", "exports", "lists"), (now - before).tolist(), strict=True))

    since.before = np.zeros(3, dtype=int)
    since()
    return since


def tree(directory):
    """All files below a directory, but the ledger."""
    found = (path.relative_to(directory).as_posix() for path in Path(directory).rglob("*") if not path.is_dir())
    return sorted(name for name in found if not name.startswith(".jsoclite"))


# -- the ways of a file -----------------------------------------------------------------------------------------------

CUTOUT = jsoclite.Cutout(center=(-300, 150), size=400, t_ref="2014-01-01T00:00:00")
BY_TIME = "{T_REC:%Y/%m}/{T_REC}.{WCSNAME:.4}.{segment}"  # a keyword that no name and no table has
BY_TIME_NAMES = [f"2014/01/20140101_00{minute}00_TAI.Heli.magnetogram.fits" for minute in ("00", "12", "24")]
WAYS = {
    "direct": {},
    "as-is": {"protocol": "as-is"},
    "staged": {"protocol": "fits"},
    "cut here": {"process": CUTOUT},
    "cut there": {"process": [CUTOUT, jsoclite.Rebin(0.5)]},
    "rebin": {"process": jsoclite.Rebin(0.25)},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("connections", [1, 4])
def test_every_way_leads_to_the_names_that_were_spelled(sandbox, asked, tmp_path, way, connections):
    with sandbox.client(connections=connections) as client:
        files = client.download(ONE, tmp_path, filename=BY_TIME, **WAYS[way])
        assert files.status.tolist() == ["downloaded"] * 3
        assert [Path(path).relative_to(tmp_path).as_posix() for path in files.path] == BY_TIME_NAMES
        assert tree(tmp_path) == BY_TIME_NAMES
        asked()
        again = client.download(ONE, tmp_path, filename=BY_TIME, **WAYS[way])
        assert again.status.tolist() == ["present"] * 3
        # without the template, too: the ledger knows them
        assert client.download(ONE, tmp_path, **WAYS[way]).status.tolist() == ["present"] * 3
        assert asked() | {"lists": 0} == {"files": 0, "exports": 0, "lists": 0}
    assert jsoclite.verify(tmp_path).status.tolist() == ["whole"] * 3
    assert sorted(jsoclite.Archive(tmp_path).files.path) == files.path.tolist()


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_workers_make_the_folders(client, tmp_path, pool):
    options = {"mp_context": get_context("spawn")} if pool is ProcessPoolExecutor else {}
    with pool(2, **options) as executor:
        files = client.download(SET, tmp_path, filename=NAME, executor=executor)
    assert files.status.tolist() == ["downloaded"] * 4
    assert tree(tmp_path) == NAMES


def test_a_lost_ledger_finds_them_by_their_names(client, asked, tmp_path):
    client.download(SET, tmp_path, filename=NAME)
    (tmp_path / ".jsoclite.sqlite").unlink()
    asked()
    assert client.download(SET, tmp_path, filename=NAME).status.tolist() == ["present"] * 4
    assert asked()["files"] == 0


def test_a_plan_names_them_and_is_carried_out(client, tmp_path):
    plan = client.plan(SET, tmp_path, filename=NAME)
    assert plan.files.route.tolist() == ["sums"] * 4
    with pytest.raises(ArgumentError, match="a plan was made with its own segments, protocol, process and filename"):
        client.download(plan, tmp_path, filename=NAME)
    client.download(plan, tmp_path)
    assert tree(tmp_path) == NAMES
    assert client.plan(SET, tmp_path, filename=NAME).files.route.tolist() == ["here"] * 4


@pytest.mark.parametrize("method", ["url", "url-tar"])
@pytest.mark.parametrize("how", ["rows", "set", "id"])
@pytest.mark.parametrize("process", [None, jsoclite.Rebin(0.25)])
def test_files_of_exports(client, tmp_path, method, how, process):
    rows = client.query(ONE) if how == "rows" else ONE
    made = client.export(rows, method=method, process=process).wait(progress=False)
    made = client.attach(made.ids) if how == "id" else made
    files = made.download(tmp_path, filename=BY_TIME)
    assert files.status.tolist() == ["downloaded"] * 3
    assert tree(tmp_path) == BY_TIME_NAMES
    assert made.download(tmp_path, filename=BY_TIME).status.tolist() == ["present"] * 3


def test_a_movie_belongs_to_no_series_that_could_name_it(client, asked, tmp_path):
    made = client.export(ONE, protocol="mp4").wait(progress=False)
    asked()
    with pytest.raises(
        ArgumentError, match="filename='{T_REC}': JSOC_[0-9_]+ is no public series .* leave filename= out"
    ):
        made.download(tmp_path, filename="{T_REC}")
    assert asked()["files"] == 0


@pytest.mark.parametrize("how", ["rows", "set"])
def test_files_of_exports_that_would_share_a_name_are_not_fetched(client, asked, tmp_path, how):
    made = client.export(client.query(ONE) if how == "rows" else ONE).wait(progress=False)
    asked()
    with pytest.raises(ArgumentError, match=r"would have the name of .*magnetogram\.fits: add \{T_REC\}"):
        made.download(tmp_path, filename="{segment}")
    assert asked()["files"] == 0


def test_on_the_command_line(sandbox, client, tmp_path, capsys):
    get = ["--server", sandbox.url, "get", SET, "-o", str(tmp_path / "got"), "--filename", NAME, "-q"]
    assert main([*get, "--dry-run"]) == 0
    assert tree(tmp_path) == []
    assert main(get) == 0
    assert tree(tmp_path / "got") == NAMES
    ids = client.export(SET).wait(progress=False).ids
    attach = ["--server", sandbox.url, "attach", *ids, "-o", str(tmp_path / "taken"), "-f", NAME, "-q"]
    assert main(attach) == 0
    assert tree(tmp_path / "taken") == NAMES
    assert main(["--server", sandbox.url, "sync", SET, "-o", str(tmp_path / "kept"), "-f", NAME, "-q"]) == 0
    assert tree(tmp_path / "kept") == NAMES
    capsys.readouterr()
    assert main([*get[:-3], "--filename", "{segment}", "-o", str(tmp_path / "not")]) == 2
    assert "add {T_REC}" in capsys.readouterr().err
    assert not (tmp_path / "not").exists()


def test_the_files_of_a_lock(client, tmp_path):
    client.download(SET, tmp_path / "mine")
    jsoclite.Archive(tmp_path / "mine").lock().write(tmp_path / "paper.lock")
    with pytest.raises(ArgumentError, match=r"add \{segment\}"):
        client.download(tmp_path / "paper.lock", tmp_path / "theirs", filename="{T_REC}")
    client.download(tmp_path / "paper.lock", tmp_path / "theirs", filename=NAME)
    assert tree(tmp_path / "theirs") == NAMES


def test_another_archive_gives_its_files(client, asked, tmp_path):
    client.download(SET, tmp_path / "mine", filename="{record}.{segment}")
    asked()
    client.download(SET, tmp_path / "theirs", filename=NAME, compare=tmp_path / "mine")
    assert asked()["files"] == 0
    assert tree(tmp_path / "theirs") == NAMES


# -- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("look", [False, True])
def test_what_the_table_does_not_have_is_asked_for_with_one_question(client, asked, tmp_path, look):
    rows = client.query(SET, keywords="T_REC,USFLUX,NOAA_ARS")
    rows.to_csv(tmp_path / "rows.csv")
    csv = pd.read_csv(tmp_path / "rows.csv", index_col="record")

    def lists(rows, filename):
        asked()
        if look:
            client.plan(rows, tmp_path / "data", filename=filename)
        else:
            with pytest.raises(ArgumentError, match="would have the name of"):
                client.download(rows, tmp_path / "data", filename=filename)
        return asked()["lists"]

    more = "{record}.{segment}" if look else "{segment}"
    without = lists(rows, more)
    assert lists(rows, f"{more}.{{HARPNUM}}") == without  # in the names of the records
    assert lists(rows, f"{more}.{{USFLUX:.1e}}.{{NOAA_ARS}}") == without
    assert lists(csv, f"{more}.{{USFLUX:.1e}}") == without
    asks = without if look else without + 1  # a plan lists the records in any case
    assert lists(rows, f"{more}.{{MEANGAM:.0f}}.{{TELESCOP}}") == asks
    # a text that the CSV made a number of, and rows that are names alone, know it no more
    assert lists(csv.assign(NOAA_ARS=11158), f"{more}.{{NOAA_ARS}}") == asks


def test_values_are_those_of_the_records(client, tmp_path):
    rows = client.query("aia.lev1_euv_12s[2014-01-01T00:00:00Z/12s][171,304]{image}", keywords="EXPTIME")
    files = client.download(rows, tmp_path, filename="{WAVELNTH}/{EXPTIME:.2f}.{T_REC:%H%M%S}.{camera}.{segment}")
    keys = client.query("aia.lev1_euv_12s[2014-01-01T00:00:00Z/12s][171,304]{image}", keywords="EXPTIME,CAMERA")
    expected = [
        f"{w}/{e:.2f}.000001.{c}.image.fits" for w, e, c in zip((171, 304), keys.EXPTIME, keys.CAMERA, strict=True)
    ]
    assert [Path(path).relative_to(tmp_path).as_posix() for path in files.path] == expected


@pytest.mark.parametrize("missing", [pd.NA, np.nan])
def test_a_missing_value_names_the_row(client, asked, tmp_path, missing):
    rows = client.query(ONE, keywords="T_REC,QUALITY,DATAMEAN")
    rows["DATAMEAN"] = rows.DATAMEAN.where(rows.index != rows.index[1])
    rows["QUALITY"] = rows.QUALITY.where(rows.index != rows.index[1], missing)
    for field in ("{DATAMEAN:.1f}", "{QUALITY:08x}"):
        with pytest.raises(
            ArgumentError, match=r"of hmi\.M_720s\[2014\.01\.01_00:12:00_TAI\]\[3\] is missing: leave .* out"
        ):
            client.download(rows, tmp_path / "data", filename=f"{{record}}.{field}")
    assert asked()["files"] == 0
    assert not (tmp_path / "data").exists()


WRONG = [
    ("", "cannot be the name"),
    (7, "is no template: write one such as"),
    ("{T_REC", "expected '}'"),
    ("{}", "has no field '{}'"),
    ("{0}", "has no field '0'"),
    ("{T_REC.year}", "it is a name and, behind a colon, a format"),
    ("{T_REC!r}", "it is a name and, behind a colon, a format"),
    ("{T_REC:{segment}}", "it is a name and, behind a colon, a format"),
    ("{QUALTY}", r"has no field 'QUALTY': .* one of segment, series, recnum, record, process\. Did you mean QUALITY"),
    ("{seriesname}.{T_REC}", "Did you mean series"),
    ("{T_REC:A}", "times take formats of strftime"),
    ("{T_REC:%c}", "times take formats of strftime"),
    ("{recnum:%lld}", "numbers and texts take Python's formats"),
    ("{USFLUX:06d}", "numbers and texts take Python's formats"),
    ("/data/{T_REC}", "begins at the root; directory= says"),
    ("../{T_REC}", "cannot be the name"),
    ("a/../{T_REC}", "cannot be the name"),
    ("a//{T_REC}", "cannot be the name"),
    ("{T_REC}/", "cannot be the name"),
    (".{T_REC}", "begins with a dot"),
    ("a./{T_REC}", "ends with a dot"),
    ("C:/{T_REC}", "cannot hold ':'"),
    ("a\\{T_REC}", "folders are written with /"),
    ("{T_REC}\n", "cannot hold"),
    ("{T_REC}\u202e", "cannot hold"),
    ("nul/{T_REC}", "kept by Windows"),
    ("Keywords/{T_REC}", "jsoclite's tables"),
    ("{T_REC}.jpg", "Br of hmi.sharp_cea_720s comes as .fits; leave .jpg out"),
    ("{T_REC}.FITS", "leave .FITS out"),
    ("x" * 210 + "{segment}", "and 200 is the most"),
]


@pytest.mark.parametrize(("filename", "message"), WRONG)
def test_what_is_no_name_is_refused_before_anything_is_fetched(client, asked, tmp_path, filename, message):
    for call in (client.download, client.plan):
        with pytest.raises((ArgumentError, UnknownName), match=message):
            call(SET, tmp_path / "data", filename=filename)
    assert asked() | {"lists": 0} == {"files": 0, "exports": 0, "lists": 0}
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("filename", "field"),
    [
        ("{T_REC}", "segment"),
        ("{segment}", "T_REC"),
        ("{T_REC:%Y%m%d}.{segment}", "T_REC"),
        ("all.{HARPNUM}", "segment"),
    ],
)
def test_two_files_of_one_name_are_refused_before_anything_is_fetched(client, asked, tmp_path, filename, field):
    for protocol in ("auto", "fits"):
        with pytest.raises(
            ArgumentError, match=rf"hmi.*\{{B.\}} would have the name of hmi.*\{{B.\}}, .*: add \{{{field}\}}"
        ):
            client.download(SET, tmp_path / "data", filename=filename, protocol=protocol)
    assert asked() | {"lists": 0} == {"files": 0, "exports": 0, "lists": 0}
    assert not (tmp_path / "data").exists()


def test_files_of_two_series_of_one_name_are_refused(client, tmp_path):
    rows = pd.concat(
        [client.query(f"hmi.{one}[2014.01.01_TAI]{{}}", keywords="T_REC") for one in ("M_720s", "Ic_720s")]
    )
    with pytest.raises(ArgumentError, match=r"add \{series\}"):
        client.download(rows, tmp_path, filename="{T_REC}")
    client.download(rows, tmp_path, filename="{series}/{T_REC}")
    assert tree(tmp_path) == ["hmi.Ic_720s/20140101_000000_TAI.fits", "hmi.M_720s/20140101_000000_TAI.fits"]


def test_a_name_that_another_file_of_the_directory_has(client, asked, tmp_path):
    client.download("hmi.M_720s[2014.01.01_TAI]{magnetogram}", tmp_path, filename="{segment}")
    asked()
    with pytest.raises(ArgumentError, match=r"_00:12:00_TAI.* would have the name of .*_00:00:00_TAI.*: add \{T_REC\}"):
        client.download("hmi.M_720s[2014.01.01_00:12_TAI]{magnetogram}", tmp_path, filename="{SEGMENT}")
    with pytest.raises(ArgumentError, match=r"add \{process\}"):
        client.download("hmi.M_720s[2014.01.01_TAI]{magnetogram}", tmp_path, filename="{segment}", process=CUTOUT)
    assert asked()["files"] == 0
    client.download("hmi.M_720s[2014.01.01_TAI]", tmp_path, filename="{process}/{segment}", process=CUTOUT)
    assert tree(tmp_path)[0].startswith("im_patch-")


# -- names that were given before -------------------------------------------------------------------------------------


def test_what_is_here_keeps_its_name_and_what_is_not_gets_the_new_one(client, tmp_path):
    with (
        Sandbox(staging_s=0, faults=[Fault("404", "file", match="Bt")]) as broken,
        broken.client(retries=0) as other,
    ):
        first = other.download(SET, tmp_path, filename="old/{record}.{segment}", on_error="ignore")
    assert first.status.tolist() == ["downloaded", "failed"] * 2
    with Ledger(tmp_path) as ledger:
        for row in ledger.files():
            if row.state == "failed":
                (tmp_path / f"{row.path}.part").write_bytes(b"half")
    with pytest.warns(JsocWarning, match="2 files had a name before, and filename= leaves it: old/"):
        second = client.download(SET, tmp_path, filename=NAME)
    kept = [Path(path).relative_to(tmp_path).as_posix() for path in first.path.dropna()]
    assert second.path[second.status == "present"].tolist() == first.path.dropna().tolist()
    assert tree(tmp_path) == sorted([*NAMES[1::2], *kept])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (client.download(SET, tmp_path).status == "present").all()


def test_a_half_in_a_folder_is_gone_on_with(tmp_path):
    with Sandbox(faults=Fault("reset-body", "file", nth=1)) as sandbox, sandbox.client(retries=0) as client:
        first = client.download(ONE, tmp_path, filename=BY_TIME, on_error="ignore")
        assert first.status.tolist() == ["failed", "downloaded", "downloaded"]
        assert f"{BY_TIME_NAMES[0]}.part" in tree(tmp_path)
        before = len(sandbox.requests)
        assert client.download(ONE, tmp_path, filename=BY_TIME).status.tolist() == ["downloaded", "present", "present"]
        (file,) = [one for one in list(sandbox.requests)[before:] if one.path.startswith("/SUM")]
        assert file.status == 206
    assert tree(tmp_path) == BY_TIME_NAMES


def test_halves_in_folders_are_tidied(client, tmp_path):
    files = client.download(SET, tmp_path, filename=NAME)
    for ending in (".part", ".part.etag", ".header.part"):
        Path(files.path.iloc[0] + ending).write_bytes(b"half")
    mine = Path(files.path.iloc[0]).with_name("mine.part")
    mine.write_bytes(b"not yours")
    client.download(SET, tmp_path, filename=NAME)
    assert tree(tmp_path) == sorted([*NAMES, "2011/02/mine.part"])


def test_another_version_of_a_record_comes_beside():
    record = "hmi.M_720s[2014.01.01_00:00:00_TAI][3]"
    clash = Template("{T_REC}").clash
    old = (7, record, "magnetogram", "fits")
    namer = Namer({"a/x.fits": old}.get, clash)
    assert namer.path(old, ".fits", wished="a/x.fits") == "a/x.fits"
    assert namer.path((9, *old[1:]), ".fits", wished="a/x.fits") == "a/x.r9.fits"
    with pytest.raises(ArgumentError, match=r"add \{process\}"):
        namer.path((7, record, "magnetogram", "as-is"), ".fits", wished="A/x.fits")


# -- what others have put there ---------------------------------------------------------------------------------------

OBSTACLES = {
    "link": lambda path, outside: path.symlink_to(outside, target_is_directory=True),
    "file": lambda path, outside: path.write_text("mine"),
    "pipe": lambda path, outside: os.mkfifo(path),
}


@pytest.mark.parametrize("obstacle", OBSTACLES)
@pytest.mark.parametrize("place", ["2011", "2011/02"])
@pytest.mark.parametrize("way", ["direct", "overwrite", "staged", "tar", "threads", "compare"])
def test_nothing_is_written_through_what_is_no_folder(client, tmp_path, obstacle, place, way):
    data, outside = tmp_path / "data", tmp_path / "outside"
    (outside / "02").mkdir(parents=True)
    (data / place).parent.mkdir(parents=True)
    OBSTACLES[obstacle](data / place, outside)
    options = {"overwrite": way == "overwrite", "protocol": "fits" if way == "staged" else "auto"}
    if way == "compare":
        client.download(SET, tmp_path / "mine")
        options["compare"] = tmp_path / "mine"
    rows = client.export(SET, method="url-tar").wait(progress=False) if way == "tar" else SET
    with ThreadPoolExecutor(2) as pool:
        options |= {"executor": pool if way == "threads" else None}
        files = client.download(rows, data, filename=NAME, on_error="ignore", **options)
    assert files.status.tolist() == ["failed"] * 4
    assert files.error.str.contains("is a link or no folder, and nothing is written through it").all()
    assert tree(outside) == []
    assert not (data / place).is_dir() or (data / place).is_symlink()


def test_a_folder_that_became_a_link_meanwhile(client, tmp_path):
    client.download(SET, tmp_path / "data", filename=NAME)
    (tmp_path / "data" / "2011").rename(tmp_path / "away")
    (tmp_path / "data" / "2011").symlink_to(tmp_path / "away", target_is_directory=True)
    before = tree(tmp_path / "away")
    files = client.download(SET, tmp_path / "data", filename=NAME, on_error="ignore")
    assert files.status.tolist() == ["failed"] * 4
    assert client.sync(SET, tmp_path / "data", on_error="ignore").status.tolist() == ["failed"] * 4
    assert tree(tmp_path / "away") == before


# -- values that a server makes up ------------------------------------------------------------------------------------


def series(**types):
    keywords = pd.DataFrame({"type": types.values()}, index=list(types))
    return SimpleNamespace(name="x.y", primekeys=["NAME"], keywords=keywords)


def named(text, names, info=None):
    """The paths of records of a series with one prime key, which is a text."""
    info = info or series(NAME="string")
    template = Template(text)
    template.bind(info)
    records = [(f"x.y[{name}]", number) for number, name in enumerate(names)]
    files = [FileKey(record, number, "s") for record, number in records]
    table = pd.DataFrame({"recnum": range(len(names)), "NAME": pd.array(names, dtype="string")})
    paths = list(template.paths(info, records, files, [table], "fits"))
    files = [
        FileKey(file.record, file.recnum, file.segment, ".fits", path) for file, path in zip(files, paths, strict=True)
    ]
    template.refuse_clashes(files)
    return paths


@pytest.mark.parametrize(
    "names", [("a b", "a/b"), ("Abc", "aBC"), ("a", "a."), ("é", "è"), ("x" * 90 + "1", "x" * 90 + "1 ")]
)
def test_values_that_differ_in_case_or_in_what_is_cleaned_alone_clash(names):
    if "é" in names:
        with pytest.raises(ArgumentError, match="can stand in a file name"):
            named("{NAME}", names)
        names = [f"a{name}" for name in names]
    with pytest.raises(ArgumentError, match=r"would have the name of x\.y.*: add \{recnum\}"):
        named("{NAME}", names)
    assert len({path.lower() for path in named("{NAME}.{recnum}", names)}) == 2
    assert len({path.lower() for path in named("{record}.{recnum}", names)}) == 2


def test_long_values_are_cut_and_told_apart():
    one, two = named("{NAME}", ["x" * 300, "x" * 301])
    assert one != two
    assert len(one) < LONGEST


def test_a_file_and_a_folder_of_one_name():
    template = Template("{NAME}")
    files = [FileKey("x.y[1]", 1, "s", path="a.fits"), FileKey("x.y[2]", 2, "s", path="A.fits/b.fits")]
    for some in (files, files[::-1]):
        with pytest.raises(ArgumentError, match="would have a folder in place of"):
            template.refuse_clashes(some)


@given(
    st.text(min_size=1, max_size=300), st.sampled_from(["{NAME}", "{NAME}/{NAME}", "a{NAME}/{NAME}.x", "{NAME:>20}"])
)
def test_no_value_leads_outside(value, template):
    try:
        (path,) = named(template, [value])
    except ArgumentError:
        return
    assert path.count("/") == template.count("/")
    assert not PureWindowsPath(path).is_absolute()
    reserved = getattr(ntpath, "isreserved", None) or (lambda name: PureWindowsPath(name).is_reserved())
    assert not reserved(path)
    for part in PurePosixPath(path).parts:
        assert len(part.encode()) <= LONGEST
        assert not set(part) & set('\\:*?"<>|\0\n\x1b')
        assert part.strip(" .") == part
        assert part.lower() != "keywords"


@pytest.mark.parametrize("value", ["..", "/", "...", " ", "\\\\", "\0", "\x1b"])
def test_a_value_of_which_nothing_is_left_is_refused(value):
    with pytest.raises(ArgumentError, match=r"nothing of NAME of x\.y\[.*can stand in a file name"):
        named("{NAME}", [value])


@pytest.mark.parametrize(
    ("time", "spec", "expected"),
    [
        ("2014.01.01_00:00:00_TAI", "", "20140101_000000_TAI"),
        ("2014-01-01T00:00:01.07Z", "%Y%m%d_%H%M%S.%f", "20140101_000001.070000"),
        ("2016.12.31_23:59:60_UTC", "%H%M%S", "235960"),  # a leap second is not the one before
        ("2016.12.31_23:59:59_UTC", "%H%M%S", "235959"),
        ("2014.01.01_00:00_TAI", "%j.%H.%M.%S", "001.00.00.00"),
        ("2014.01.01_12:00:00_TAI", "%H:%M", "12_00"),
        ("2014.01.01_12:00:00_TAI", "%Y/%m/%d", "2014/01/01"),
        ("2014.01.01_12:00:00_TAI", "%%Y", "Y"),
    ],
)
def test_times_in_their_own_scale(time, spec, expected):
    info = series(NAME="time")
    assert named(f"{{NAME:{spec}}}" if spec else "{NAME}", [time], info) == [f"{expected}.fits"]


@pytest.mark.parametrize(
    "time", ["2014.02.31_00:00:00_TAI", "-4712.01.01_11:59:28_TAI", "9999.12.31_99:00:00_UTC", "x"]
)
def test_what_is_no_time_is_refused(time):
    with pytest.raises(ArgumentError, match=r"\{NAME:%d\}"):
        named("{NAME:%d}", [time], series(NAME="time"))
