"""No file of a server ends in anything but a result or a `JsocError`. More: python tests/fuzz/files.py"""

from fuzz import files

COUNT = 150


def test_spoilt_files(tmp_path):
    findings = files.fuzz(COUNT, 20260101, scratch=tmp_path)
    assert findings.cases == COUNT
    assert not findings, f"spoilt files: {findings}"
