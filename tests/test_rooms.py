"""What importing the package loads, and what it offers."""

import subprocess
import sys

import jsoclite


def test_all_is_what_there_is():
    for name in jsoclite.__all__:
        assert getattr(jsoclite, name) is not None
    assert len(set(jsoclite.__all__)) == len(jsoclite.__all__)
    assert set(jsoclite.__all__) <= set(dir(jsoclite))


def test_importing_the_package_loads_nothing_heavy():
    heavy = "pandas astropy drms requests numpy sqlite3 urllib.request matplotlib"
    code = f"import sys, jsoclite; print([m for m in {heavy.split()!r} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert out.strip() == "[]"


def test_help_loads_nothing_heavy():
    code = (
        "import sys, contextlib\nfrom jsoclite.cli import main\n"
        "with contextlib.suppress(SystemExit): main(['--help'])\n"
        "with contextlib.suppress(SystemExit): main(['get', '--help'])\n"
        "print([m for m in ('pandas', 'astropy', 'drms', 'requests', 'numpy') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert out.strip().endswith("[]")
