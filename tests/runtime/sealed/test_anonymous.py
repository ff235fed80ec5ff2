"""Decrypted models lie in memory that no file system has, that nobody can change, and that no core dump shows."""

from __future__ import annotations

import mmap
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from edgewise_runtime.sealed.anonymous import AnonymousFile
from tests.runtime.sealed.files import mounted, sealed

MARKER = b"weights that nobody is to see " * 40


@pytest.fixture
def file() -> AnonymousFile:
    made = AnonymousFile()
    made.write(memoryview(MARKER), 0)
    made.complete()
    return made


def test_it_is_read_by_its_path_as_often_as_wanted(file: AnonymousFile) -> None:
    assert [file.path.read_bytes() for _ in range(2)] == [MARKER, MARKER]
    with file.path.open("rb") as one, mmap.mmap(one.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        file.close()
        assert mapped[:] == MARKER, "what has mapped it keeps it"


def test_it_has_no_name_in_any_file_system(file: AnonymousFile) -> None:
    assert str(file.path.readlink()) == "/memfd:model (deleted)"
    assert file.path.stat().st_nlink == 0
    file.close()


def test_it_cannot_be_changed_any_more(file: AnonymousFile) -> None:
    with file.path.open("r+b", buffering=0) as writable:
        with pytest.raises(PermissionError):
            writable.write(b"x")
        for size in (1, 9999):
            with pytest.raises(PermissionError):
                writable.truncate(size)
        with pytest.raises(PermissionError):
            mmap.mmap(writable.fileno(), 0, access=mmap.ACCESS_WRITE)
    assert file.path.read_bytes() == MARKER
    file.close()


# Opens it as the runtime's user does, without any right. The interpreter's own files may be root's alone.
_AS_NOBODY = """
import mmap, os, sys
from pathlib import Path
from edgewise_runtime.sealed.anonymous import AnonymousFile, forbid_dumps
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65532)
    os.setuid(65532)
forbid_dumps()
file = AnonymousFile()
file.write(memoryview(b"content"), 0)
file.complete()
with file.path.open("rb") as one:
    print(mmap.mmap(one.fileno(), 0, access=mmap.ACCESS_READ)[:].decode())
Path("/proc/self/statm").read_text(), Path("/proc/self/smaps_rollup").read_text(), os.listdir("/proc/self/fd")
"""


def test_a_user_without_rights_whose_process_cannot_be_dumped_opens_its_own() -> None:
    done = subprocess.run([sys.executable, "-c", _AS_NOBODY], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "content\n"), done.stderr


_CRASHING = """
import os, resource, sys
from pathlib import Path
from edgewise_runtime.sealed import Sealed
from tests.runtime.sealed.files import WHO
kept = []
class Session:
    pass
def keep(path):
    kept.append(path.read_bytes())
    return Session()
if sys.argv[1] == "sealed":
    Sealed(Path("blob"), Path("model-key/aes"), WHO).opened(keep)
else:
    keep(Path("plain"))
_, most = resource.getrlimit(resource.RLIMIT_CORE)
resource.setrlimit(resource.RLIMIT_CORE, (most, most))
os.abort()
"""


def test_a_crash_leaves_nothing_of_it_on_the_disk(tmp_path: Path) -> None:
    if "%" in (pattern := Path("/proc/sys/kernel/core_pattern").read_text()) or pattern.startswith(("|", "/")):
        pytest.skip(f"core dumps of this machine go elsewhere: {pattern}")
    if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        pytest.skip("core dumps are forbidden here")
    (tmp_path / "blob").write_bytes(sealed(MARKER))
    (tmp_path / "plain").write_bytes(MARKER)
    mounted(tmp_path)

    def cores(which: str) -> list[Path]:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", _CRASHING, which]
        done = subprocess.run(command, cwd=tmp_path, env=environment, check=False)
        assert done.returncode == -6
        return [path for path in tmp_path.glob("core*") if MARKER in path.read_bytes()]

    assert cores("sealed") == []
    assert len(cores("plain")) == 1, "the test would notice one"
