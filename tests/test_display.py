"""What objects show of themselves, in a terminal and in a notebook."""

import copy
import html
import pickle
import re
from html.parser import HTMLParser
from urllib.parse import urlsplit

import drms
import pandas as pd
import pytest

import jsoclite
from jsoclite import display
from jsoclite.download.manifest import Manifest
from jsoclite.export.export import Export
from jsoclite.export.reply import ExportFile, ExportStatus
from jsoclite.export.request import ExportRequest
from jsoclite.sandbox import Sandbox
from jsoclite.server._drms import SeriesInfo
from jsoclite.server.retry import Clock

EVIL = "<script>alert(1)</script>"
ADDRESS = "someone@example.org"


class Silent:
    """A transport that must not be asked."""

    clock = Clock(now=lambda: 0.0, sleep=lambda seconds: None)

    def __getattr__(self, name):
        raise AssertionError(f"a representation wanted {name} of the transport")


def never():
    raise AssertionError("a representation wanted the e-mail address")


class Reader(HTMLParser):
    """Collects the tags, links and text; fails where tags do not match."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.links, self.words, self.cells = [], [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        self.tags.append(tag)
        names = [name for name, _ in attributes]
        assert set(names) <= {"style", "href"}
        self.links += [value for name, value in attributes if name == "href"]
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)
        if {"td", "th"} & set(self.open):
            self.cells[-1] += data

    @property
    def text(self):
        return " ".join(self.words)


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(staging_s=0) as made:
        yield made


@pytest.fixture(scope="module")
def info(sandbox):
    with sandbox.client() as client:
        return client.info("hmi.sharp_cea_720s")


def request(
    status=ExportStatus.DONE, number=1, *, error=None, files=0, size=0, record_set="hmi.M_720s[2014.01.01_TAI]"
):
    made = ExportRequest(
        Silent(), record_set, email=never, request_id=f"JSOC_20140101_{number:03d}" if status != -2 else None
    )
    made.status, made.error, made.size = status, error, size
    made.files = tuple(
        ExportFile(f"hmi.M_720s[{n}]", "magnetogram", f"{n}.fits", f"http://127.0.0.1/{n}.fits") for n in range(files)
    )
    return made


def export(*requests):
    return Export(requests, clock=Silent.clock, adopt=never)


def frame(count=4, directory="data"):
    names = [f"hmi.M_720s[2014.01.01_00:{n:02d}:00_TAI][3]" for n in range(count)]
    return pd.DataFrame(
        {
            "segment": pd.Series(["magnetogram"] * count, dtype="str"),
            "path": pd.Series([f"{directory}/hmi.M_720s.{n:02d}.fits" for n in range(count)], dtype="str"),
            "status": pd.Series(["downloaded"] * count, dtype="str"),
            "bytes": pd.Series([100_000 + n for n in range(count)], dtype="Int64"),
            "url": pd.Series([f"http://127.0.0.1/{n}" for n in range(count)], dtype="str"),
            "request_id": pd.Series([None] * count, dtype="str"),
            "error": pd.Series([None] * count, dtype="str"),
        }
    ).set_axis(pd.Index(names, name="record", dtype="str"))


def broken(reason="the server says no"):
    table = frame()
    table.iloc[1, table.columns.get_indexer(["path", "status", "bytes", "error"])] = [None, "missing", pd.NA, reason]
    return table


# -- building blocks --------------------------------------------------------------------------------------------------


def test_whatever_is_shown_is_escaped_and_printable():
    assert display.escape(EVIL) == "&lt;script&gt;alert(1)&lt;/script&gt;"
    assert display.escape("\x1b[31m\u202etxt") == "�[31m�txt"
    assert "\n" not in display.clean("a\nb\r\nc")
    assert display.table(["a"], [[EVIL]]).count("<script") == 0


def test_addresses_are_taken_out_but_cadences_stay():
    assert ADDRESS not in display.clean(f"ask {ADDRESS} about it")
    assert "example.org" not in display.clean("notify=someone%40example.org")
    assert display.clean("hmi.M_45s[2014.01.01_TAI/1d@1.5h]") == "hmi.M_45s[2014.01.01_TAI/1d@1.5h]"
    assert "jsoc@sun.stanford.edu" in display.clean("ask jsoc@sun.stanford.edu")


@pytest.mark.parametrize(
    "target",
    [
        "javascript:alert(1)",
        "JAVASCRIPT:alert(1)",
        " javascript:alert(1)",
        "data:text/html,x",
        "java\nscript:alert(1)",
        '" onmouseover="alert(1)',
        "ftp://example.org/x",
        "//example.org/x",
        "http://someone:secret@example.org/",
        "http://[broken/",
    ],
)
def test_links_lead_to_pages_and_files_only(target):
    for link in Reader(display.link(target, "here")).links:
        parts = urlsplit(link)
        assert (parts.scheme, parts.netloc) in (("", ""), ("file", ""))


def test_links_to_files_and_pages():
    assert Reader(display.link("data/a b.fits", "a")).links == ["data/a%20b.fits"]
    assert Reader(display.link("/data/a.fits", "a")).links == ["file:///data/a.fits"]
    assert Reader(display.link("https://example.org/?a=1&b=2", "a")).links == ["https://example.org/?a=1&b=2"]


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_999, "1.0 MB"), (2.5e12, "2.5 TB")]
)
def test_sizes(count, text):
    assert display.size(count) == text


def test_what_is_too_long_keeps_both_ends():
    assert display.shorten("0123456789", 5) == "01…89"
    assert display.shorten("0123456789", 10) == "0123456789"


# -- record sets ------------------------------------------------------------------------------------------------------


def test_a_record_set_says_its_parts():
    rs = jsoclite.RecordSet(
        "aia.lev1_euv_12s",
        "2014-01-01",
        "2014-01-02",
        "1h",
        wavelength=[171, 304],
        where={"QUALITY": 0},
        segments="image",
    )
    cells = Reader(rs._repr_html_()).cells
    assert dict(zip(cells[::2], cells[1::2], strict=True)) == {
        "series": "aia.lev1_euv_12s",
        "time": "2014.01.01_00:00:35_TAI to 2014.01.02_00:00:35_TAI, every 1 h",
        "WAVELNTH": "171,304",
        "condition": "QUALITY = 0",
        "segments": "image",
    }
    assert str(rs) in Reader(rs._repr_html_()).text
    assert eval(repr(rs), {"RecordSet": jsoclite.RecordSet}) == rs


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "hmi.sharp_720s[377][2011.02.14_TAI/1d]",
            {"prime key 1": "377", "time": "from 2011.02.14_00:00:00_TAI, 1 d long"},
        ),
        ("hmi.sharp_720s[][T_REC=$]", {"prime key 1": "any", "T_REC": "the last ($)"}),
        ("hmi.M_720s[:#1-#9@2]", {"record numbers": "#1-#9@2"}),
        ("hmi.M_720s[! FSN > 3 !]", {"condition, all versions": "FSN > 3"}),
        ("hmi.M_720s[T_REC=#3-#7]", {"T_REC": "#3-#7"}),
        ("hmi.M_720s[2014.01.01_00:00:00.5_TAI]", {"time": "2014.01.01_00:00:00.500_TAI"}),
    ],
)
def test_parts_of_a_set_that_was_read(text, parts):
    cells = Reader(jsoclite.RecordSet.parse(text)._repr_html_()).cells
    shown = dict(zip(cells[::2], cells[1::2], strict=True))
    assert shown.pop("series") == text.partition("[")[0]
    assert shown == parts


def test_a_record_set_tells_what_the_server_makes_of_it():
    rs = jsoclite.RecordSet.parse("hmi.M_720s[2014-01-01T00:00:00-2014-01-02T00:00:00]")
    assert rs.problems()[0] in Reader(rs._repr_html_()).text


def test_record_sets_are_escaped_and_shortened():
    evil = jsoclite.RecordSet.parse(f"hmi.M_720s[? OBS = '{EVIL}' ?]")
    assert "<script" not in evil._repr_html_()
    assert html.escape(EVIL) in evil._repr_html_()
    long = jsoclite.RecordSet.parse(",".join(f"hmi.M_720s[:#{n}]" for n in range(1000)))
    assert len(long._repr_html_()) < 12_000
    assert "994 more elements" in Reader(long._repr_html_()).text


# -- exports ----------------------------------------------------------------------------------------------------------


def test_an_export_of_one_request_is_one_line():
    made = export(request(files=3, size=34))
    assert repr(made) == "<Export JSOC_20140101_001, done, 3 files, 34 MB, hmi.M_720s[2014.01.01_TAI]>"
    assert repr(made[0]) == repr(made).replace("Export", "ExportRequest")
    assert repr(export()) == "<Export of nothing>"
    assert "nothing to export" in export()._repr_html_()


def test_an_export_of_several_says_how_far_it_is():
    made = export(
        request(files=2, size=5),
        request(number=2),
        request(ExportStatus.PROCESSING, 3, size=12),
        request(ExportStatus.PLANNED),
        request(ExportStatus.PLANNED),
    )
    line = "2 of 5 requests done, 1 pending, 2 planned, 2 files, 17 MB"
    lines = repr(made).splitlines()
    assert lines[0] == f"<Export: {line}"
    assert [text.split()[:2] for text in lines[2:]] == [
        ["JSOC_20140101_001", "done"],
        ["JSOC_20140101_002", "done"],
        ["JSOC_20140101_003", "processing"],
        ["–", "planned"],
        ["–", "planned"],
    ]
    shown = Reader(made._repr_html_())
    assert line in shown.text
    assert shown.cells[:10] == [
        "request", "state", "files", "size (MB)", "record set",
        "JSOC_20140101_001", "done", "2", "5", "hmi.M_720s[2014.01.01_TAI]",
    ]  # fmt: skip


def test_errors_of_requests_are_told_without_addresses_or_scripts():
    error = jsoclite.ExportFailed(f"status 4: {EVIL} for {ADDRESS}")
    made = export(request(), request(ExportStatus.FAILED, 2, error=error))
    for shown in (made, made[1]):
        text = shown._repr_html_()
        assert "&lt;script&gt;" in text
        assert "<script" not in text
        assert ADDRESS not in text + repr(shown)
        assert "failed" in Reader(text).text
    assert "1 failed" in repr(made)
    assert "status 4" in repr(made)


def test_a_request_lists_its_files_and_what_the_server_remarked():
    made = request(files=60)
    made.messages, made.tar_url = (f"warning={EVIL}",), "http://127.0.0.1/all.tar"
    shown = Reader(made._repr_html_())
    assert "http://127.0.0.1/49.fits" in shown.links
    assert "http://127.0.0.1/50.fits" not in shown.links
    assert "http://127.0.0.1/all.tar" in shown.links
    assert "and 10 more" in shown.text
    assert EVIL in shown.text


def test_long_exports_are_shortened_but_what_failed_is_shown():
    requests = [request(number=n) for n in range(300)]
    requests[150] = request(ExportStatus.FAILED, 150, error=jsoclite.ExportFailed("no"))
    made = export(*requests)
    assert len(repr(made).splitlines()) < 20
    assert "JSOC_20140101_150  failed" in repr(made)
    assert made._repr_html_().count("<tr") < 20
    assert "JSOC_20140101_150" in made._repr_html_()


# -- series -----------------------------------------------------------------------------------------------------------


def test_info_is_that_of_drms_and_shows_the_series(info):
    assert isinstance(info, drms.SeriesInfo)
    assert isinstance(info, SeriesInfo)
    assert repr(info) == (
        '<SeriesInfo hmi.sharp_cea_720s: "Spaceweather HMI Active Region Patch (SHARP): CEA coordinates", '
        f"{len(info.keywords)} keywords, {len(info.segments)} segments, {len(info.links)} link>"
    )
    text = str(info)
    assert text.splitlines()[0] == "hmi.sharp_cea_720s"
    for line in (
        r"prime keys +HARPNUM, T_REC",
        r"step +T_REC: 720 s",
        r"first record +hmi\.sharp_cea_720s\[\d+\]\[2010",
        r"number of +\d+ keywords",
        r"Br +int +Gauss +fits",
    ):
        assert re.search(rf"^{line}", text, re.MULTILINE)


def test_info_in_a_notebook(info):
    shown = Reader(info._repr_html_())
    assert info.note in shown.text
    assert "details" in shown.tags
    assert f"{len(info.keywords)} keywords" in shown.text
    assert {"USFLUX", "Br", "HARPNUM, T_REC", "T_REC: 720 s"} <= set(shown.cells)


def test_a_series_is_not_trusted():
    reply = {
        "note": f"{EVIL} by {ADDRESS}",
        "primekeys": [EVIL],
        "keywords": [{"name": EVIL, "type": EVIL, "units": EVIL, "note": EVIL}],
        "segments": [{"name": EVIL, "type": None, "dims": EVIL}],
        "links": [{"name": EVIL, "target": EVIL}],
        "Interval": {"FirstRecord": EVIL, "LastRecord": 7},
    }
    info = SeriesInfo(reply, name=EVIL)
    shown = info._repr_html_() + repr(info) + str(info)
    assert "<script" not in info._repr_html_()
    assert ADDRESS not in shown
    assert Reader(info._repr_html_()).cells.count(EVIL) >= 5


@pytest.mark.parametrize("interval", [None, "none", {}, {"FirstRecord": ""}])
def test_a_series_of_which_little_is_known(interval):
    info = SeriesInfo({"keywords": [], "segments": [], "links": [], "Interval": interval})
    assert "record" not in str(info)
    assert "0 keywords" in repr(info)
    Reader(info._repr_html_())
    assert repr(pickle.loads(pickle.dumps(info))) == repr(info)


# -- manifests --------------------------------------------------------------------------------------------------------


def test_a_download_shows_its_files(sandbox, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with sandbox.client() as client:
        files = client.download("hmi.M_720s[2014.01.01_TAI/1h]{magnetogram}", "data")
    assert re.match(r"5 downloaded, [\d.]+ kB in data\nrecord +segment +status +size +file\n", repr(files))
    assert str(files) == repr(files)
    assert "hmi.M_720s.20140101_000000_TAI.3.magnetogram.fits" in repr(files)
    shown = Reader(files._repr_html_())
    assert shown.links == files.path.tolist()
    assert shown.cells[:5] == ["record", "segment", "status", "size", "file"]
    assert files.columns.tolist() == ["segment", "path", "status", "bytes", "url", "request_id", "error"]


def test_a_manifest_says_what_is_missing_and_why():
    files = Manifest(broken(f"no {EVIL} for {ADDRESS}"))
    text = repr(files)
    assert text.startswith("3 downloaded, 1 missing, 300.0 kB in data\n")
    assert text.endswith(f"missing: no {EVIL} for <e-mail address>")
    shown = files._repr_html_()
    assert "<script" not in shown
    assert ADDRESS not in shown
    assert f"no {EVIL} for <e-mail address>" in Reader(shown).cells
    assert shown.count(display.COLOURS["downloaded"]) == 3
    assert shown.count(display.COLOURS["missing"]) == 1


def test_a_manifest_of_strange_names():
    files = Manifest(frame(directory='da"ta/<script>'))
    assert "<script" not in files._repr_html_()
    assert Reader(files._repr_html_()).links[0] == "da%22ta/%3Cscript%3E/hmi.M_720s.00.fits"
    absolute = Manifest(frame(directory="/data"))
    assert Reader(absolute._repr_html_()).links[0] == "file:///data/hmi.M_720s.00.fits"


def test_long_manifests_are_shortened_as_pandas_does():
    files = Manifest(frame(100))
    with pd.option_context("display.max_rows", 60, "display.min_rows", 10):
        assert len(repr(files).splitlines()) == 2 + 11
        assert files._repr_html_().count("<tr") == 1 + 11
    with pd.option_context("display.max_rows", 200):
        assert len(repr(files).splitlines()) == 2 + 100
    with pd.option_context("display.max_rows", None):
        assert len(repr(files).splitlines()) == 2 + 100


def test_a_manifest_fits_into_the_terminal(monkeypatch):
    files = Manifest(frame())
    monkeypatch.setenv("COLUMNS", "80")
    with pd.option_context("display.width", 80):
        assert max(map(len, repr(files).splitlines())) <= 80
        assert "column path" in repr(files)
    with pd.option_context("display.width", 200):
        assert "hmi.M_720s.00.fits" in repr(files)


def test_manifests_that_were_changed_in_place():
    files = Manifest(frame())
    files["seeing"] = [1.5, 2.0, None, 3.0]
    assert "seeing" in repr(files)
    assert "seeing" in Reader(files._repr_html_()).cells
    del files["status"]
    assert repr(files) == repr(pd.DataFrame(files))
    assert files._repr_html_() == pd.DataFrame(files)._repr_html_()
    empty = Manifest(frame(0))
    assert repr(empty) == "no files"
    with pd.option_context("display.notebook_repr_html", False):
        assert empty._repr_html_() is None


@pytest.mark.parametrize(
    "change",
    [
        lambda files: files.copy(),
        lambda files: copy.copy(files),
        lambda files: copy.deepcopy(files),
        lambda files: pickle.loads(pickle.dumps(files)),
        lambda files: files.iloc[::2],
        lambda files: files[files.status == "missing"],
        lambda files: files[["path", "status"]],
        lambda files: files.sort_values("bytes"),
        lambda files: files.reset_index(),
        lambda files: files.set_index("segment"),
        lambda files: files.assign(x=1),
        lambda files: files.T,
        lambda files: files.dropna(axis="columns", how="all"),
        lambda files: files.astype({"bytes": "float64"}),
        lambda files: files.merge(files, on="path"),
        lambda files: files.join(files[["url"]].rename(columns={"url": "again"})),
        lambda files: pd.concat([files, files]),
        lambda files: pd.concat([files]),
        lambda files: files.groupby("status")[["bytes"]].sum(),
        lambda files: files.groupby("status").get_group("missing"),
        lambda files: files.isna(),
        lambda files: files == files,
        lambda files: files.describe(),
        lambda files: files.head(0),
        lambda files: files.query("status == 'missing'"),
        lambda files: files.explode("segment"),
        lambda files: files.where(files.status == "missing"),
    ],
)
def test_what_is_made_of_a_manifest_is_plain_pandas(change):
    plain = broken()
    made = change(Manifest(plain))
    assert type(made) is pd.DataFrame
    pd.testing.assert_frame_equal(made, change(plain))


def test_a_manifest_equals_its_dataframe_and_no_other_is_one():
    plain, files = broken(), Manifest(broken())
    assert not isinstance(plain, Manifest)
    pd.testing.assert_frame_equal(files, plain)
    pd.testing.assert_frame_equal(plain, files, check_frame_type=False)
    assert files.equals(plain)
    assert plain.equals(files)
    other = Manifest(frame())
    with pytest.raises(AssertionError):
        pd.testing.assert_frame_equal(plain, other, check_frame_type=False)


def test_a_manifest_survives_files(tmp_path):
    files = Manifest(broken())
    files.to_parquet(tmp_path / "files.parquet")
    assert pd.read_parquet(tmp_path / "files.parquet").to_csv() == files.to_csv()
    files.to_csv(tmp_path / "files.csv")
    back = pd.read_csv(tmp_path / "files.csv", index_col="record", dtype=files.dtypes.to_dict())
    assert back.to_csv() == files.to_csv()
    files.attrs["mine"] = 1
    assert b"jsoclite" not in pickle.dumps(files)
    assert pickle.loads(pickle.dumps(files)).attrs == {"mine": 1}


def test_a_failed_download_carries_its_manifest():
    error = jsoclite.DownloadError("1 of 4 files failed", Manifest(broken()))
    back = pickle.loads(pickle.dumps(error))
    pd.testing.assert_frame_equal(back.manifest, error.manifest, check_frame_type=False)
