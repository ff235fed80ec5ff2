"""Every engine serves an encrypted model out of memory, as it serves a plain one, and leaves no trace of it."""

from __future__ import annotations

import gc
import logging
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewise.api.names import Reason
from edgewise_runtime.engines import load, memory
from edgewise_runtime.engines.base import EngineOptions, ModelLoadError, Session
from edgewise_runtime.engines.traceless import traceless
from edgewise_runtime.sealed import FREEING, Sealed, model_file
from tests.runtime import tinytflite
from tests.runtime.enginekinds import KINDS, Kind, rows
from tests.runtime.sealed.files import ENCRYPTION, OTHER_SECRET, WHO, mounted, sealed

engines = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def encrypted(path: Path, folder: Path) -> Sealed:
    """The file at `path` as a device has it: without any in the clear."""
    stored = folder / "blob"
    stored.write_bytes(sealed(path.read_bytes()))
    path.unlink()
    return Sealed(stored, mounted(folder / "secrets"), WHO)


def anonymous() -> int:
    """How many descriptors of memory files this process has, those aside that are being closed."""
    for thread in threading.enumerate():
        if thread.name == FREEING:
            thread.join()
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]  # all but the one that listed them
    return sum(str(link.readlink()).startswith("/memfd:model") for link in links)


def loaded(model: Sealed, kind: Kind, **options: str) -> Session:
    return load(model, kind.format, EngineOptions(kind.engine, options=options, threads=1))


@engines
def test_an_encrypted_model_answers_as_the_plain_one_does(kind: Kind, tmp_path: Path) -> None:
    session = loaded(encrypted(kind.sums(tmp_path), tmp_path), kind)
    for count in (1, 3, 100):
        twice, thrice = session.run({"x": rows(count)}, ["twice", "thrice"])
        assert (twice.tolist(), thrice.tolist()) == ((rows(count) * 2).tolist(), (rows(count) * 3).tolist())
    session.close()


@engines
def test_its_memory_goes_when_it_is_no_longer_needed(kind: Kind, tmp_path: Path) -> None:
    model = encrypted(kind.sums(tmp_path), tmp_path)
    for _ in range(2):
        session = loaded(model, kind)
        assert bool(anonymous()) == (kind.engine == "LiteRT"), "whose interpreters are made anew, from the file"
        session.close()
        del session
        gc.collect()
        assert anonymous() == 0


def test_an_interpreter_that_is_made_anew_for_each_request_finds_its_file(tmp_path: Path) -> None:
    session = loaded(encrypted(tinytflite.counting(tmp_path), tmp_path), KINDS["LiteRT"])
    assert [session.run({"x": np.ones(1, np.float32)}, ["y"])[0].tolist() for _ in range(3)] == [[1.0]] * 3


@engines
def test_what_no_engine_can_load_leaves_nothing_open(kind: Kind, tmp_path: Path) -> None:
    (tmp_path / "nonsense").write_bytes(b"this is not a model" * 100)
    with pytest.raises(ModelLoadError) as refused:
        loaded(encrypted(tmp_path / "nonsense", tmp_path), kind)
    assert refused.value.reason == Reason.LOAD_FAILED
    del refused
    gc.collect()
    assert anonymous() == 0


def test_the_reason_tells_a_missing_key_from_a_wrong_file(tmp_path: Path) -> None:
    model = encrypted(KINDS["ONNX Runtime"].sums(tmp_path), tmp_path)
    mounted(tmp_path / "secrets", OTHER_SECRET)
    with pytest.raises(ModelLoadError, match="Secret model-key") as refused:
        loaded(model, KINDS["ONNX Runtime"])
    assert refused.value.reason == Reason.KEY_MISSING
    mounted(tmp_path / "secrets")
    model.path.write_bytes(model.path.read_bytes()[:-1])
    with pytest.raises(ModelLoadError, match="chunk 0") as refused:
        loaded(model, KINDS["ONNX Runtime"])
    assert refused.value.reason == Reason.DECRYPTION_FAILED


def test_a_file_that_is_not_encrypted_although_it_should_be_is_refused(tmp_path: Path) -> None:
    plain = KINDS["ONNX Runtime"].sums(tmp_path)
    with pytest.raises(ModelLoadError, match="the file is not encrypted: `kubectl edgewise package --encrypt`"):
        loaded(Sealed(plain, mounted(tmp_path), WHO), KINDS["ONNX Runtime"])


def test_a_file_that_is_encrypted_although_nobody_says_so_is_refused(tmp_path: Path) -> None:
    model = encrypted(KINDS["ONNX Runtime"].sums(tmp_path), tmp_path)
    with pytest.raises(ModelLoadError, match=r"has no spec\.encryption\.keySecretRef"):
        model_file(model.path, None, tmp_path / "secrets", WHO)
    assert model_file(model.path, ENCRYPTION, tmp_path / "secrets", WHO) == model


def test_a_model_larger_than_the_pods_memory_is_refused_before_the_pod_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = encrypted(KINDS["ONNX Runtime"].sums(tmp_path), tmp_path)
    monkeypatch.setattr(memory, "room", lambda: 64)
    with pytest.raises(ModelLoadError, match="of memory, this pod has 64; raise the memory limit"):
        loaded(model, KINDS["ONNX Runtime"])


def test_openvino_compiles_an_encrypted_model_into_no_cache(tmp_path: Path) -> None:
    kind, cache = KINDS["OpenVINO with ONNX"], tmp_path / "compiled"
    cache.mkdir()
    path = kind.sums(tmp_path)
    load(path, kind.format, EngineOptions(kind.engine, options={"CACHE_DIR": str(cache)}, threads=1)).close()
    written = list(cache.rglob("*.blob"))
    assert written, "of a plain model it would write one"
    for each in written:
        each.unlink()
    loaded(encrypted(path, tmp_path), kind, CACHE_DIR=str(cache)).close()
    assert list(cache.rglob("*.blob")) == []


WRITING: dict[str, Any] = {
    "TensorRT": ("trt_engine_cache_enable", "trt_engine_cache_path", "trt_timing_cache_enable", "trt_dump_subgraphs",
                 "trt_dump_ep_context_model", "trt_ep_context_file_path"),
    "OpenVINO": ("CACHE_DIR", "CACHE_MODE", "OpenVINOExecutionProvider.cache_dir", "BLOB_FILE"),
    "QNN": ("qnn_context_cache_enable", "qnn_context_cache_path", "profiling_file_path", "dump_json_qnn_graph"),
    "MIGraphX": ("migraphx_save_compiled_model", "migraphx_model_cache_dir"),
    "others": ("ModelCacheDirectory", "cacheDir", "cache_file_path", "serialization_dir", "ep.context_enable"),
}  # fmt: skip
KEPT = ("trt_fp16_enable", "trt_profile_min_shapes", "trt_context_memory_sharing_enable", "INFERENCE_PRECISION_HINT",
        "CPU_RUNTIME_CACHE_CAPACITY", "session.tensors", "device_type", "device_id", "usb.always_dfu")  # fmt: skip


def test_options_that_make_an_engine_write_do_not_count_for_an_encrypted_model(
    caplog: pytest.LogCaptureFixture,
) -> None:
    writing = [name for names in WRITING.values() for name in names]
    given = EngineOptions("ONNXRuntime", ("TensorrtExecutionProvider",), dict.fromkeys((*KEPT, *writing), "1"))
    with caplog.at_level(logging.WARNING):
        assert set(traceless(given).options) == set(KEPT)
    assert "trt_engine_cache_path" in caplog.text
    assert traceless(EngineOptions(options={"device_type": "GPU"})).options == {"device_type": "GPU"}
