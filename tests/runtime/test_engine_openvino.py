"""What is particular to OpenVINO: its IR as one file, the precision it computes in, devices, what it cannot carry."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgewise.api.names import Reason
from edgewise_runtime.engines import load
from edgewise_runtime.engines.base import EngineOptions, InputRefusedError, ModelLoadError, Session
from tests.runtime import tinyonnx
from tests.runtime.enginekinds import KINDS, onnx_sums, rows, zipped
from tests.runtime.tinyonnx import info

IR = KINDS["OpenVINO with its IR"]


def opened(path: Path, format_: str = "ONNX", *providers: str, **options: str) -> Session:
    return load(path, format_, EngineOptions("OpenVINO", providers, options, threads=1))


def test_computes_in_fp32_unless_asked_for_less(tmp_path: Path) -> None:
    weights = np.full((256, 1), 1.0 + 2.0**-12, np.float32)  # which bf16 and f16 cannot tell from 1
    path = tinyonnx.linear(tmp_path, weights)
    (exact, _) = opened(path).run({"x": np.ones((1, 256), np.float32)}, ["logits", "twice"])
    assert exact.item() == pytest.approx(256.0625, abs=1e-4)


def bad_zips(folder: Path) -> dict[str, Path]:
    good = IR.sums(folder)
    with zipfile.ZipFile(good) as archive:
        archive.extractall(folder)
    xml, binary = folder / "sums.xml", folder / "sums.bin"
    (folder / "more.txt").write_text("x")
    (folder / "bomb").mkdir()
    bomb = folder / "bomb" / "sums.bin"
    bomb.write_bytes(bytes(50 * 2**20))
    (folder / "nonsense").mkdir()
    nonsense = folder / "nonsense" / "sums.xml"
    nonsense.write_text("<html></html>")
    return {
        "no weights": zipped(folder / "a.zip", xml),
        "something else in it": zipped(folder / "b.zip", xml, binary, folder / "more.txt"),
        "a bomb": zipped(folder / "c.zip", xml, bomb),
        "no IR": zipped(folder / "d.zip", nonsense, binary),
    }


CLIMBING = ["../sums.xml", "/sums.xml", "a/../../sums.xml", "..\\sums.xml", "C:/sums.xml"]


@pytest.mark.parametrize("name", CLIMBING)
def test_a_zip_that_would_unpack_elsewhere_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "m.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, "<net/>")
        archive.writestr("sums.bin", b"0")
    with pytest.raises(ModelLoadError, match="leads out of the folder"):
        opened(path, "OpenVINOIR")


def test_a_zip_with_a_link_in_it_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("sums.xml")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
        archive.writestr("sums.bin", b"0")
    with pytest.raises(ModelLoadError, match="a link"):
        opened(tmp_path / "m.zip", "OpenVINOIR")


@pytest.mark.parametrize("case", ["no weights", "something else in it", "a bomb", "no IR"])
def test_a_zip_that_is_no_ir_is_refused(case: str, tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError) as failure:
        opened(bad_zips(tmp_path)[case], "OpenVINOIR")
    assert failure.value.reason == Reason.LOAD_FAILED


def test_text_is_not_supported(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="use ONNXRuntime") as failure:
        opened(tinyonnx.echo(tmp_path, "BYTES", ["n"]))
    assert failure.value.reason == Reason.NOT_SUPPORTED


def test_tensors_in_other_files_are_refused(tmp_path: Path) -> None:
    path = onnx_sums(tmp_path)
    model = onnx.load(path)
    model.graph.initializer.append(numpy_helper.from_array(np.ones(4, np.float32), "w"))
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelLoadError, match="keeps tensors in other files"):
        opened(path)


def test_auto_says_which_device_it_chose(tmp_path: Path) -> None:
    session = opened(onnx_sums(tmp_path), "ONNX", "AUTO")
    assert session.provider == "CPU"
    assert session.run({"x": rows(1)}, ["twice"])[0].tolist() == (rows(1) * 2).tolist()


def test_an_option_openvino_does_not_know_fails_to_load(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="NO_SUCH_OPTION"):
        opened(onnx_sums(tmp_path), "ONNX", NO_SUCH_OPTION="1")


def picky(folder: Path) -> Path:
    """Six numbers, as two rows of three; any count is taken at first sight."""
    node = helper.make_node("Reshape", ["x", "shape"], ["y"])
    shape = numpy_helper.from_array(np.array([2, 3], np.int64), "shape")
    ports = [info("x", TensorProto.FLOAT, ["n"])], [info("y", TensorProto.FLOAT, [2, 3])]
    return tinyonnx.save(folder / "picky.onnx", [node], *ports, [shape])


def test_what_only_shows_when_it_runs_is_the_clients_fault(tmp_path: Path) -> None:
    session = opened(picky(tmp_path))
    with pytest.raises(InputRefusedError):
        session.run({"x": np.zeros(5, np.float32)}, ["y"])
    assert session.run({"x": np.zeros(6, np.float32)}, ["y"])[0].shape == (2, 3)


def test_on_a_single_core_it_does_not_read_beyond_the_clients_numbers(tmp_path: Path) -> None:
    """OpenVINO with one thread would: what is next in memory is in the answer then, or the process ends."""
    code = """
import os, sys
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import numpy as np
from pathlib import Path
from edgewise_runtime.engines import load
from edgewise_runtime.engines.base import EngineOptions, InputRefusedError
session = load(Path(sys.argv[1]), "ONNX", EngineOptions("OpenVINO"))
try:
    sys.exit(f"answered {session.run({'x': np.zeros(5, np.float32)}, ['y'])}")
except InputRefusedError:
    pass
"""
    subprocess.run([sys.executable, "-c", code, str(picky(tmp_path))], check=True)


def test_its_converter_and_its_telemetry_are_not_imported(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from edgewise_runtime.engines import load
from edgewise_runtime.engines.base import EngineOptions
load(Path(sys.argv[1]), "ONNX", EngineOptions("OpenVINO"))
loaded = [name for name in sys.modules if ("telemetry" in name or "ovc" in name) and sys.modules[name]]
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", code, str(onnx_sums(tmp_path))], check=True)
