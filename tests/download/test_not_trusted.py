"""Files and archives that arrive otherwise than they should: each row has a reason, and the others come."""

from __future__ import annotations

import io

import pytest
import requests
import urllib3
from conftest import GOLDEN

import jsoclite
from jsoclite.errors import JsocError
from jsoclite.sandbox import Sandbox

SET = "hmi.M_720s[2014.01.01_TAI/36m][3]{magnetogram}"


class Spoiling(requests.adapters.HTTPAdapter):
    """A line on which somebody changes files; `change` gets the number of the file and its bytes."""

    def __init__(self, change):
        super().__init__()
        self.change, self.count = change, 0

    def send(self, request, **options):
        answer = super().send(request, **options)
        if "/SUM" in request.url and not request.url.endswith(".json"):
            content = self.change(self.count, answer.content)
            self.count += 1
            raw = urllib3.HTTPResponse(
                io.BytesIO(content), {"Content-Length": str(len(content))}, 200, preload_content=False
            )
            answer = self.build_response(request, raw)
        return answer


@pytest.fixture
def spoilt(hand_clock):
    """A client on a line that changes files; retries would take them as often."""
    opened = []

    def make(change, **options):
        session = requests.Session()
        session.trust_env = False
        session.mount("http://", Spoiling(change))
        client = jsoclite.Client(sandbox.url, email=sandbox.email, session=session, **({"retries": 0} | options))
        client._clock = hand_clock.clock
        opened.append(client)
        return client

    with Sandbox(catalog=GOLDEN / "catalog", clock=hand_clock.now, staging_s=5) as sandbox:
        yield make
        for client in opened:
            client.close()


def first_only(change):
    return lambda number, content: change(content) if number == 0 else content


def with_card(name, value):
    """One card more, at the end of the first header."""

    def change(content):
        at = content.index(b"END".ljust(80))
        card = f"{name:<8}= {value:>20}".ljust(80) + "END".ljust(80)
        assert content[at + 80 : at + 160] == b" " * 80
        return content[:at] + card.encode() + content[at + 160 :]

    return change


@pytest.mark.parametrize("protocol", ["auto", "as-is", "fits"])
@pytest.mark.parametrize(
    ("name", "value"), [("PCOUNT", "-200000"), ("PCOUNT", "9" * 18), ("GCOUNT", "-1"), ("PCOUNT", "x")]
)
def test_a_file_of_impossible_size_fails_alone(spoilt, tmp_path, protocol, name, value):
    client = spoilt(first_only(with_card(name, value)))
    files = client.download(SET, tmp_path, protocol=protocol, on_error="ignore")
    assert files.status.tolist() == ["failed", "downloaded", "downloaded"]
    assert "not the file" in files.error.iloc[0]
    assert not list(tmp_path.glob("*.part*"))


def test_a_file_that_cannot_get_its_header_fails_alone(spoilt, tmp_path, monkeypatch):
    from jsoclite.fits.files import write_fits

    broken = []

    def write(source, *arguments):
        if not broken:
            broken.append(source)
            raise JsocError("became shorter while it was copied")
        write_fits(source, *arguments)

    monkeypatch.setattr("jsoclite.fits.write_fits", write)
    files = spoilt(lambda _, content: content).download(SET, tmp_path, on_error="ignore")
    assert files.status.tolist() == ["failed", "downloaded", "downloaded"]
    assert "shorter" in files.error.iloc[0]
