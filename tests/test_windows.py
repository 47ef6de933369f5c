"""What Windows does not have is not needed: the package is imported and used without it, and asks before it is used."""

import ast
import ntpath
import subprocess
import sys
from pathlib import Path, PureWindowsPath

import pytest

import jsoclite
from jsoclite.download import names

# what the standard library has on POSIX only, as far as somebody could want it
MODULES = ["fcntl", "resource", "pwd", "grp", "pty", "termios", "tty", "syslog", "readline"]
ATTRIBUTES = {
    "os": "fork forkpty register_at_fork getuid geteuid getgid getegid getgroups setuid setsid getpgid getpgrp killpg "
    "mkfifo mknod chown lchown fchown fchmod chroot uname statvfs fstatvfs pread pwrite preadv pwritev readv writev "
    "sendfile sched_getaffinity getloadavg nice sysconf confstr sync posix_fallocate posix_fadvise lockf ttyname major "
    "minor wait wait3 wait4 getpriority O_NOFOLLOW O_DIRECTORY O_NONBLOCK O_CLOEXEC O_SYNC O_DSYNC WNOHANG",
    "signal": "SIGKILL SIGHUP SIGALRM SIGUSR1 SIGUSR2 SIGPIPE SIGCHLD SIGQUIT SIGTSTP SIGWINCH alarm setitimer pause "
    "pthread_kill pthread_sigmask sigwait siginterrupt",
    "socket": "AF_UNIX SO_REUSEPORT SO_REUSEADDR_ socketpair_ MSG_DONTWAIT",
    "select": "poll epoll kqueue",
    "time": "tzset pthread_getcpuclockid CLOCK_BOOTTIME clock_settime",
}
PACKAGE = Path(jsoclite.__file__).parent

CODE = f"""
import importlib, os, pkgutil, sys
# other people's modules know where they are
import concurrent.futures, http.server, multiprocessing, shutil, sqlite3, subprocess, tarfile, tempfile
import astropy.io.fits, astropy.time, astropy.units, click, dask.array, drms, matplotlib.pyplot, numpy, pandas
import PIL.Image, platformdirs, pyarrow.parquet, pytest, requests, tqdm.auto
for name in {MODULES!r}:
    sys.modules[name] = None
for name, lost in {ATTRIBUTES!r}.items():
    module = importlib.import_module(name)
    for attribute in lost.split():
        vars(module).pop(attribute, None)

import jsoclite
for module in pkgutil.walk_packages(jsoclite.__path__, "jsoclite."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)

from jsoclite.cli import main
with jsoclite.Sandbox(staging_s=0) as sandbox:
    at = ["--server", sandbox.url, "--email", sandbox.email]
    record_set = "hmi.M_720s[2014.01.01_TAI/24m]{{magnetogram}}"
    assert main([*at, "get", record_set, "-o", "data", "-q"]) == 0
    assert main([*at, "get", record_set, "-o", "staged", "-p", "fits", "-q"]) == 0
    assert main([*at, "sync", record_set, "-o", "data", "-q", "-k", "T_REC,DATAMEAN"]) == 0
    assert main(["adopt", "data", "-o", "archive"]) == 0
    assert main(["verify", "data"]) == main(["status", "data"]) == main(["lock", "data"]) == 0
"""


def test_everything_works_without_what_windows_does_not_have(tmp_path):
    command = [sys.executable, "-W", "ignore", "-c", CODE]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(tmp_path.glob("data/*.fits"))) == len(list(tmp_path.glob("staged/*.fits"))) == 2


def test_what_only_posix_has_is_asked_for():
    """``hasattr(os, "fork")`` stands in each module that uses it, and nothing of the modules is imported."""
    found = []
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        # from one drive to another there is no relative path
        found += [f"{path.name}: {word}" for word in ("relpath(", ".relative_to(") if word in text]
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                if node.attr in ATTRIBUTES.get(node.value.id, "").split():
                    asked = f'hasattr({node.value.id}, "{node.attr}")'
                    found += [] if asked in text else [f"{path.name}: {ast.unparse(node)}"]
            elif isinstance(node, ast.Import | ast.ImportFrom):
                imported = {alias.name for alias in node.names} | {getattr(node, "module", None)}
                found += [f"{path.name}: {ast.unparse(node)}"] if imported & set(MODULES) else []
    assert found == []


def test_texts_are_read_and_written_in_an_encoding_of_their_own():
    """Windows' own would not be that of other machines."""
    found = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or any(word.arg == "encoding" for word in node.keywords):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            mode = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
            binary = any("b" in one and len(one) <= 3 for one in mode)
            opens = name == "fdopen" or (name == "open" and isinstance(node.func, ast.Name))
            # an encoding may stand behind the text, too
            if (
                (name == "read_text" and not node.args)
                or (name == "write_text" and len(node.args) < 2)
                or (opens and not binary)
            ):
                found.append(f"{path.relative_to(PACKAGE)}:{node.lineno} {ast.unparse(node)}")
    assert found == []


@pytest.mark.parametrize(
    ("record", "segment"),
    [
        ("con.aux[1]", "nul"),
        ("hmi.M_720s[2014.01.01_00:00:00_TAI][3]", "COM1"),
        ("su_x.y[a:b*c?<d>|e\\f/g\"h]", "lpt9.txt"),
        ("hmi.x[trailing. ]", "dots..."),
    ],
)  # fmt: skip
def test_names_of_files_are_names_on_windows(record, segment):
    name = names.file_name(record, segment, ".fits")
    assert not ntpath.isreserved(name) if hasattr(ntpath, "isreserved") else not PureWindowsPath(name).is_reserved()
    assert not set('<>:"/\\|?*') & set(name)
    assert PureWindowsPath(name).name == name
