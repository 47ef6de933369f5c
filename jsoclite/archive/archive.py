"""`Archive`: a directory of files and keywords, and what can be asked of it without a server."""

from __future__ import annotations

import datetime as dt
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pandas as pd

from ..download import ledgers, verify
from ..errors import SelectionError, explained, folder, warn
from ..selection import JsocAccessor
from ..series import as_list, series_of
from .adopt import adopt
from .lock import Lock, checksum
from .state import Syncs, opened
from .table import Table


@explained
class Archive:
    """
    A directory that `Client.download` or `Client.sync` fills.

    It asks no server: what is at hand can be used while JSOC is away. Its ledger is an SQLite database that pandas
    reads, too: ``pandas.read_sql("select * from files", sqlite3.connect("data/.jsoclite.sqlite"))``.

    Parameters
    ----------
    directory : path
        It need not exist before something is adopted.

    Examples
    --------
    >>> files = client.sync("hmi.M_720s[2014.01.01_TAI/1h]{magnetogram}", "data", keywords="T_REC,DATAMEAN")
    >>> archive = jsoclite.Archive("data")
    >>> archive
    <Archive data: 5 files, keywords of hmi.M_720s>
    >>> archive.files.state.unique().tolist()
    ['current']
    >>> archive.keywords("hmi.M_720s", where="DATAMEAN > 0").columns.tolist()
    ['recnum', 'time', 'T_REC', 'DATAMEAN']
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = folder("directory", directory)

    def __repr__(self) -> str:
        files = sum(row.state == "done" for row in self._rows())
        tables = ", ".join(self.series)
        return f"<Archive {self.directory}: {files:,} files{f', keywords of {tables}' if tables else ''}>"

    @property
    def series(self) -> list[str]:
        """Series whose keywords are here."""
        return sorted(path.name for path in (self.directory / "keywords").glob("*") if path.is_dir())

    def _rows(self) -> list[ledgers.FileRow]:
        if (ledger := opened(self.directory)) is None:
            return []
        with ledger:
            return ledger.files()

    @property
    def files(self) -> pd.DataFrame:
        """
        The files, those of versions that JSOC has replaced among them.

        Returns
        -------
        pandas.DataFrame
            Index ``record``; columns ``series``, ``recnum``, ``segment``, ``product`` ("fits", "as-is", or the steps
            that made it), ``path``, ``state`` ("current", "replaced", or the ledger's word for what is not here),
            ``bytes``, ``sha256``, ``url``, ``finished`` (UTC). They are rows: give them to `Client.download` or `cite`.
        """
        rows = self._rows()
        newest: dict[tuple[str, str, str], int] = {}
        for row in rows:
            key = (row.record, row.segment, row.product)
            newest[key] = max(row.recnum, newest.get(key, row.recnum))

        def state(row: ledgers.FileRow) -> str:
            old = row.recnum < newest[row.record, row.segment, row.product]
            return row.state if row.state != "done" else "replaced" if old else "current"

        frame = pd.DataFrame(
            {
                "series": pd.Series([series_of(row.record) for row in rows], dtype="str"),
                "recnum": pd.Series([row.recnum for row in rows], dtype="int64"),
                "segment": pd.Series([row.segment for row in rows], dtype="str"),
                "product": pd.Series([row.product for row in rows], dtype="str"),
                "path": pd.Series([str(self.directory / row.path) for row in rows], dtype="str"),
                "state": pd.Series([state(row) for row in rows], dtype="str"),
                "bytes": pd.Series([row.bytes for row in rows], dtype="Int64"),
                "sha256": pd.Series([row.sha256 for row in rows], dtype="str"),
                "url": pd.Series([row.url for row in rows], dtype="str"),
                "finished": pd.to_datetime(
                    pd.Series([row.finished for row in rows], dtype="float64"), unit="s", utc=True
                ),
            }
        )
        return frame.set_axis(pd.Index([row.record for row in rows], name="record", dtype="str"))

    @property
    def syncs(self) -> pd.DataFrame:
        """
        The sets that are kept in step with a server.

        Returns
        -------
        pandas.DataFrame
            Columns ``record_set``, ``segments``, ``process``, ``keywords``, ``finished`` (the last run, UTC), ``said``.
        """
        rows = []
        if (ledger := opened(self.directory)) is not None:
            with ledger:
                rows = Syncs(ledger).rows()
        names = ["record_set", "segments", "process", "keywords", "finished", "said"]
        frame = pd.DataFrame([[getattr(row, name) for name in names] for row in rows], columns=names)
        return frame.assign(finished=pd.to_datetime(frame["finished"].astype(float), unit="s", utc=True))

    def keywords(
        self,
        series: str,
        columns: str | Sequence[str] | None = None,
        where: Any = None,
        start: Any = None,
        end: Any = None,
        *,
        versions: bool = False,
    ) -> pd.DataFrame:
        """
        Read the keywords that are at rest here.

        Parameters
        ----------
        series : str
            Its name, in any case.
        columns : str or sequence of str, optional
            Keywords; by default all that were kept.
        where : str, mapping or pyarrow.compute.Expression, optional
            ``"USFLUX > 1e22 and NOAA_AR != 0"``, or ``{"NOAA_AR": [11158, 11166], "USFLUX": (1e22, 3e22)}``.
        start, end : time, optional
            Both included; as for `Client.search`.
        versions : bool
            Also versions that JSOC has replaced, and records that are gone, with the columns ``replaced_by`` and
            ``gone`` that say so.

        Returns
        -------
        pandas.DataFrame
            As `Client.query` returns it, sorted by time: index ``record``, ``recnum``, ``time``, the keywords.

        Raises
        ------
        JsocError
            If there are none of this series, or no pyarrow (extra ``parquet``).
        UnknownName
            For a keyword that was not kept.
        """
        return Table.find(self.directory, series).read(as_list(columns), where, start, end, versions=versions)

    def verify(self, repair: bool = False) -> pd.DataFrame:
        """
        Check all files: there, of the right size, with the right SHA-256; see `jsoclite.verify`.

        Parameters
        ----------
        repair : bool
            Set what is damaged aside, as ``NAME.damaged``, and let the ledger say that it is not there: the next
            `Client.sync` or `Client.download` brings it anew.

        Returns
        -------
        pandas.DataFrame
            As `jsoclite.verify` returns it.
        """
        checked = verify(self.directory)
        if repair:
            with ledgers.Ledger(self.directory) as ledger:
                wrong = checked[checked["status"].isin(["gone", "changed", "broken"])]
                paths = set(wrong["path"])
                lost = [row for row in ledger.files() if str(ledger.directory / row.path) in paths]
                for row in lost:
                    path = ledger.directory / row.path
                    if path.exists() and not Path(row.path).is_absolute():
                        path.replace(path.with_name(path.name + ".damaged"))
                ledger.drop_files(lost)
        return checked

    def adopt(
        self,
        paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        how: Literal["link", "copy", "index"] = "link",
        *,
        client: Any = None,
    ) -> pd.DataFrame:
        """
        Take in FITS files that drms, sunpy, the export page or curl have fetched, so that they are not fetched again.

        A file is known by ``DRMS_ID`` in its header, by ``RECNUM`` together with series and segment in its name, or, by
        name, T_REC and the other prime keys, at the server. The originals are only read.

        Parameters
        ----------
        paths : path or iterable of paths
            Files, or directories with all that lies below.
        how : {"link", "copy", "index"}
            "link" makes a hard link here, which takes no space; "copy" a copy; "index" notes where the file lies.
        client : Client, optional
            Asked which record a file is whose header has no record number: files from before 2018.

        Returns
        -------
        pandas.DataFrame
            A row a file; index ``path``; columns ``status`` ("adopted", "present", "doubtful"), ``record``, ``recnum``,
            ``segment``, ``reason``.

        Raises
        ------
        JsocError
            If there is no such file, or the directory cannot be written.

        Examples
        --------
        >>> mine = client.export("hmi.M_720s[2014.01.01_TAI/1h]{magnetogram}").wait().download("elsewhere")
        >>> jsoclite.Archive("mine").adopt("elsewhere").status.unique().tolist()
        ['adopted']
        >>> client.download("hmi.M_720s[2014.01.01_TAI/1h]{magnetogram}", "mine").status.unique().tolist()
        ['present']
        """
        several = isinstance(paths, Iterable) and not isinstance(paths, str | bytes | os.PathLike)
        return adopt(self.directory, list(paths) if several else [paths], how, client)  # type: ignore[arg-type, list-item]

    def lock(self) -> Lock:
        """
        Lock the files, so that a paper can name them and others can fetch the very same.

        Returns
        -------
        Lock
            Of all current files; ``str()`` of it is the text, `Client.download` takes it.
        """
        files = self.files
        return _locked(files[files["state"] == "current"])

    def missing(self) -> dict[str, int]:
        """Count what is not here, by the reason that the ledger has."""
        return dict(Counter(row.error or row.state for row in self._rows() if row.state != "done").most_common())

    def last_sync(self) -> dt.datetime | None:
        """Return when a sync ended last, in UTC."""
        found = self.syncs["finished"].max()
        return None if pd.isna(found) else found.floor("us").to_pydatetime()


def _locked(files: pd.DataFrame) -> Lock:
    """Lock rows of `Archive.files`."""
    hosts = Counter(f"{urlsplit(url).scheme}://{urlsplit(url).netloc}" for url in files["url"].dropna())
    server = hosts.most_common(1)[0][0] if hosts else "unknown"
    parts = zip(files["series"], files["recnum"], files.index, files["segment"], files["product"], strict=True)
    return Lock.of(server, [(*part, checksum(path)) for part, path in zip(parts, files["path"], strict=True)])


def _of_manifest(manifest: pd.DataFrame) -> Lock:
    """
    Lock the files that rows of a manifest name; the ledgers of their directories know which records they are.

    Examples
    --------
    >>> len(_of_manifest(client.download("hmi.M_720s[2014.01.01_TAI]{magnetogram}", "data")))
    1
    """
    if "path" not in manifest.columns:
        raise SelectionError("a lock is of files, and these rows have no column path: lock what download returns")
    paths = list(dict.fromkeys(os.path.abspath(path) for path in manifest["path"].dropna()))
    homes = [one for path in paths for one in Path(path).parents if (one / ledgers.NAME).is_file()]
    files = pd.concat([Archive(home).files for home in dict.fromkeys(homes or [Path(os.devnull)])])
    files = files[files["state"].isin(["current", "replaced"])]
    places = {os.path.abspath(path): place for place, path in enumerate(files["path"])}
    if lost := [path for path in paths if path not in places]:
        raise SelectionError(f"{lost[0]} is in no ledger of its directories: Archive.adopt takes files that were moved")
    if without := int(manifest["path"].isna().sum()):
        warn(f"{without} of {len(manifest)} rows have no file, and are not in the lock")
    return _locked(files.iloc[[places[path] for path in paths]])


JsocAccessor.on_lock = staticmethod(_of_manifest)
