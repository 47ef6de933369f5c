"""
A sandbox for the command line: tells how to use it, then serves until Ctrl-C.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterable
from os import PathLike
from typing import Final

from .faults import Fault
from .sandbox import Sandbox

_GREETING: Final = """\
jsoclite sandbox: an embedded JSOC at {url}
Nothing here is measured data. Registered address for exports: {email}. Stop with Ctrl-C.

  jsoclite   client = jsoclite.Client("{url}", email="{email}")
             or in the shell: export JSOCLITE_SERVER={url} JSOC_EMAIL={email}
  drms       config = drms.ServerConfig(name="sandbox", cgi_baseurl="{url}cgi-bin/ajax/",
                 cgi_show_series="show_series", cgi_jsoc_info="jsoc_info", cgi_jsoc_fetch="jsoc_fetch",
                 cgi_check_address="checkAddress.sh", http_download_baseurl="{url}")
             client = drms.Client(config, email="{email}")
  sunpy      drms.config._server_configs["jsoc"] = config, before the first query with attrs.jsoc
  curl       curl "{url}cgi-bin/ajax/jsoc_info?op=rs_summary&ds=hmi.M_720s%5B2014.01.01_TAI/1d%5D"
"""


def serve(
    port: int = 0,
    *,
    catalog: str | PathLike[str] | None = None,
    email: str = "demo@example.com",
    staging_s: float = 2.0,
    faults: Iterable[Fault | str] = (),
    verbose: bool = False,
    until: threading.Event | None = None,
) -> None:
    """
    Run a sandbox until Ctrl-C, telling on standard output how to use it.

    Parameters
    ----------
    port : int
        Port to listen on, 0 for any free one.
    catalog, email, staging_s, faults
        As for `Sandbox`.
    verbose : bool
        Whether to log each request on standard error.
    until : threading.Event, optional
        Ends it, too.
    """

    def tell(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    until = until or threading.Event()
    log_to = tell if verbose else None
    with (
        Sandbox(catalog, port=port, email=email, staging_s=staging_s, faults=faults, log=log_to) as sandbox,
        contextlib.suppress(KeyboardInterrupt),
    ):
        print(_GREETING.format(url=sandbox.url, email=sandbox.email), flush=True)
        while not until.wait(3600):
            pass
