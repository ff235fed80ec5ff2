"""What holds for every engine. Real engines on real models throughout; see enginekinds.py for the table."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewise.api.names import Reason
from edgewise_runtime.engines import cores, load
from edgewise_runtime.engines.base import EngineOptions, InputRefusedError, ModelLoadError, on_cpu
from edgewise_runtime.protocol.datatypes import dtype_of
from tests.runtime.enginekinds import KINDS, Kind, rows

engines = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
DATATYPES = [(kind, datatype) for kind in KINDS for datatype in KINDS[kind].datatypes]


@pytest.mark.parametrize(("kind", "datatype"), DATATYPES, ids=lambda value: value)
def test_every_datatype_goes_through_the_engine_unchanged(kind: str, datatype: str, tmp_path: Path) -> None:
    session = KINDS[kind].load(KINDS[kind].echo(tmp_path, datatype))
    values: Any = [b"a", "ü".encode()] if datatype == "BYTES" else [1, 0]
    sent = np.array(values, dtype=object if datatype == "BYTES" else dtype_of(datatype))
    (received,) = session.run({"x": sent}, ["y"])
    assert (received.dtype, received.tolist()) == (sent.dtype, sent.tolist())
    assert (session.inputs[0].datatype, session.outputs[0].datatype) == (datatype, datatype)
    session.close()


@engines
def test_any_number_of_rows_goes_in_and_out(kind: Kind, tmp_path: Path) -> None:
    session = kind.load(kind.sums(tmp_path))
    assert [(spec.name, spec.shape) for spec in session.inputs] == [("x", (-1, 4))]
    for count in (1, 3, 100, 2):
        (twice,) = session.run({"x": rows(count)}, ["twice"])
        assert twice.tolist() == (rows(count) * 2).tolist()


@engines
def test_only_the_wanted_outputs_come_in_the_wanted_order(kind: Kind, tmp_path: Path) -> None:
    session = kind.load(kind.sums(tmp_path))
    assert [spec.name for spec in session.outputs] == ["twice", "thrice"]
    thrice, twice = session.run({"x": rows(1)}, ["thrice", "twice"])
    assert (thrice.tolist(), twice.tolist()) == ((rows(1) * 3).tolist(), (rows(1) * 2).tolist())
    assert len(session.run({"x": rows(1)}, ["thrice"])) == 1


@engines
def test_an_answer_stays_what_it_was_when_the_next_request_runs_and_when_the_session_closes(
    kind: Kind, tmp_path: Path
) -> None:
    session = kind.load(kind.sums(tmp_path))
    (first,) = session.run({"x": rows(2)}, ["twice"])
    session.run({"x": rows(2, first=1000)}, ["twice"])
    session.close()
    assert first.tolist() == (rows(2) * 2).tolist()


@engines
@pytest.mark.parametrize("layout", ["read-only", "column-major", "every other row", "unaligned"])
def test_inputs_may_lie_in_memory_as_they_come(kind: Kind, layout: str, tmp_path: Path) -> None:
    wanted = rows(4)
    arrays = {
        "read-only": np.frombuffer(wanted.tobytes(), np.float32).reshape(4, 4),
        "column-major": np.asfortranarray(wanted),
        "every other row": np.repeat(wanted, 2, axis=0)[::2],
        "unaligned": np.frombuffer(b"." + wanted.tobytes(), np.float32, offset=1).reshape(4, 4),
    }
    (twice,) = kind.load(kind.sums(tmp_path)).run({"x": arrays[layout]}, ["twice"])
    assert twice.tolist() == (wanted * 2).tolist()


@engines
@pytest.mark.parametrize("threads", [1, 2])
def test_requests_at_the_same_time_get_their_own_answers(kind: Kind, threads: int, tmp_path: Path) -> None:
    session = kind.load(kind.sums(tmp_path), threads=threads)

    def ask(number: int) -> bool:
        sent = rows(1 + number % 5, first=number)
        return [array.tolist() for array in session.run({"x": sent}, ["twice", "thrice"])] == [
            (sent * 2).tolist(),
            (sent * 3).tolist(),
        ]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(400)))


WRONG = {
    "too wide": np.zeros((1, 5), np.float32),
    "one dimension too few": np.zeros(4, np.float32),
    "one dimension too many": np.zeros((1, 4, 1), np.float32),
}


@engines
@pytest.mark.parametrize("case", WRONG)
def test_an_input_of_the_wrong_shape_is_the_clients_fault_and_harms_no_other(
    kind: Kind, case: str, tmp_path: Path
) -> None:
    session = kind.load(kind.sums(tmp_path))
    for _ in range(3):
        with pytest.raises(InputRefusedError):
            session.run({"x": WRONG[case]}, ["twice"])
        assert session.run({"x": rows(1)}, ["twice"])[0].tolist() == (rows(1) * 2).tolist()


BROKEN = {"empty": b"", "text": b"this is not a model", "a number without end": b"\xff" * 40, "a zip of nothing": b"PK"}


@engines
@pytest.mark.parametrize("case", [*BROKEN, "cut off", "not there"])
def test_a_file_that_is_no_model_fails_to_load(kind: Kind, case: str, tmp_path: Path) -> None:
    path = kind.sums(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(BROKEN.get(case, whole[: len(whole) // 2]))
    if case == "not there":
        path.unlink()
    with pytest.raises(ModelLoadError) as failure:
        kind.load(path)
    assert failure.value.reason == Reason.LOAD_FAILED
    assert len(str(failure.value)) > 10


@engines
def test_an_accelerator_that_is_not_here_falls_to_the_cpu_and_says_so(kind: Kind, tmp_path: Path) -> None:
    session = kind.load(kind.sums(tmp_path), kind.accelerator, "CPU")
    assert on_cpu(session.provider)
    assert session.lost == ""
    assert session.run({"x": rows(1)}, ["twice"])[0].tolist() == (rows(1) * 2).tolist()


@engines
@pytest.mark.parametrize("named", [True, False])
def test_an_accelerator_that_must_be_here_and_is_not_is_a_failure(kind: Kind, named: bool, tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="requires an accelerator") as failure:
        kind.load(kind.sums(tmp_path), *([kind.accelerator] if named else []), required=True)
    assert failure.value.reason == Reason.ACCELERATOR_MISSING


UNSERVED = {
    "ONNXRuntime": ("TFLite", "ONNXRuntime loads ONNX, not TFLite"),
    "LiteRT": ("ONNX", "LiteRT loads EdgeTPU and TFLite, not ONNX"),
    "OpenVINO": ("TFLite", "OpenVINO loads ONNX and OpenVINOIR, not TFLite"),
}


@pytest.mark.parametrize("engine", UNSERVED)
def test_a_format_of_another_engine_is_not_supported(engine: str, tmp_path: Path) -> None:
    format_, expected = UNSERVED[engine]
    with pytest.raises(ModelLoadError, match=expected) as failure:
        load(tmp_path / "model", format_, EngineOptions(engine))
    assert failure.value.reason == Reason.NOT_SUPPORTED


WITHOUT = """
import sys
from pathlib import Path
import numpy as np
from edgewise_runtime.engines import load
from edgewise_runtime.engines.base import EngineOptions, ModelLoadError
sys.modules["openvino"] = sys.modules["ai_edge_litert"] = None
session = load(Path(sys.argv[1]), "ONNX", EngineOptions("OpenVINO", ("GPU", "CPU")))
print(session.provider, session.run({"x": np.ones((1, 4), np.float32)}, ["thrice"])[0].tolist())
for what in (("OpenVINO", "ONNX", True), ("OpenVINO", "OpenVINOIR", False), ("LiteRT", "TFLite", False)):
    engine, format, required = what
    try:
        load(Path(sys.argv[1]), format, EngineOptions(engine, require_accelerator=required))
    except ModelLoadError as error:
        print(error.reason, "coral image" in str(error), "openvino image" in str(error))
"""


def test_an_image_without_the_engine_serves_onnx_all_the_same_and_says_which_image_has_the_rest(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT, str(KINDS["ONNX Runtime"].sums(tmp_path))]
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    assert said == [
        "CPUExecutionProvider [[3.0, 3.0, 3.0, 3.0]]",
        "NotSupported False True",
        "NotSupported False True",
        "NotSupported True False",
    ]


QUOTAS = {"max 100000": 8, "50000 100000": 1, "150000 100000": 2, "1600000 100000": 8, "nonsense": 8}


@pytest.mark.parametrize("quota", QUOTAS)
def test_threads_follow_the_pods_cpu_limit(quota: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpu.max").write_text(quota)
    monkeypatch.setattr(cores, "_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(8))
    assert cores.usable_cores() == QUOTAS[quota]


RESTING = """
import sys, time
from pathlib import Path
import numpy as np
from edgewise_runtime.engines import load
from edgewise_runtime.engines.base import EngineOptions
options = {"session.intra_op.allow_spinning": "1"} if sys.argv[4] else {}
session = load(Path(sys.argv[3]), sys.argv[2], EngineOptions(sys.argv[1], options=options, threads=2))
rest = 0.0
for _ in range(20):
    session.run({"x": np.ones((200_000, 4), np.float32)}, ["thrice"])
    since = time.process_time()
    time.sleep(0.05)
    rest += time.process_time() - since
print(rest)
"""


def resting(kind: Kind, folder: Path, spinning: bool = False) -> float:
    """Seconds of processor time in the pauses after 20 runs on two threads."""
    command = [sys.executable, "-c", RESTING, kind.engine, kind.format, str(kind.sums(folder)), "1" * spinning]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def test_threads_rest_when_there_is_nothing_to_do(tmp_path: Path) -> None:
    spinning = resting(KINDS["ONNX Runtime"], tmp_path, spinning=True)
    pauses = {name: resting(kind, tmp_path) for name, kind in KINDS.items()}
    assert all(pause < spinning / 4 for pause in pauses.values()), (spinning, pauses)
