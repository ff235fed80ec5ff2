"""OpenVINO's own format as one file: a zip of the .xml and the .bin, so that one sha256 covers the model.

zip model.zip model.xml model.bin
"""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

from edgewise.api.names import Reason
from edgewise_runtime.engines.base import ModelLoadError

_SWELLS = 100  # times its own size is the most a zip may unpack to: weights hardly compress, a bomb does


def is_archive(path: Path) -> bool:
    """Whether the file begins as a zip does; an ONNX file never does."""
    with path.open("rb") as file:
        return file.read(2) == b"PK"


def unpacked(path: Path) -> tuple[bytes, bytes]:
    """(.xml, .bin). ModelLoadError where the zip holds anything else, or too much of it."""
    try:
        with zipfile.ZipFile(path) as archive:
            if strange := next((info.filename for info in archive.infolist() if not _plain(info)), None):
                raise _refused(f"it holds {strange}, which is a link, or leads out of the folder it is unpacked in")
            files = {Path(info.filename).suffix: info for info in archive.infolist() if not info.is_dir()}
            if set(files) != {".xml", ".bin"} or len(archive.infolist()) != 2:
                raise _refused(f"it holds {', '.join(archive.namelist()[:5])}")
            if sum(info.file_size for info in files.values()) > _SWELLS * path.stat().st_size:
                raise _refused(f"it unpacks to more than {_SWELLS} times its size")
            return archive.read(files[".xml"]), archive.read(files[".bin"])
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError) as error:  # encrypted, other compression
        raise _refused(str(error)) from error


def _plain(info: zipfile.ZipInfo) -> bool:
    """Nothing is unpacked onto a disk here; but who makes such an archive wants it to be, somewhere."""
    parts = info.filename.replace("\\", "/").split("/")
    return not stat.S_ISLNK(info.external_attr >> 16) and ".." not in parts and parts[0] != "" and ":" not in parts[0]


def _refused(why: str) -> ModelLoadError:
    return ModelLoadError(
        Reason.LOAD_FAILED, f"an OpenVINOIR build is a zip of one .xml and its .bin, and nothing else: {why}"
    )
