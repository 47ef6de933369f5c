"""No reply of a server ends in anything but a result or a `JsocError`. More: python tests/fuzz/replies.py"""

from fuzz import replies

COUNT = 400


def test_spoilt_replies(tmp_path):
    findings = replies.fuzz(COUNT, 20260101, scratch=tmp_path)
    assert findings.cases == COUNT
    assert not findings, f"spoilt replies: {findings}"
