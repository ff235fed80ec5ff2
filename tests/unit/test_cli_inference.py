"""Servers that `calibrate` cannot learn from, each told apart in one line. Real sockets, answers as given."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgewise.cli.asking import AskingError
from edgewise.cli.inference import Model
from edgewise.cli.lines import straight

X = {"x": np.zeros((3, 2), np.float32)}
METADATA = {
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}],
    "outputs": [
        {"name": "y", "datatype": "FP32", "shape": [-1, 2]},
        {"name": "box", "datatype": "INT64", "shape": [-1]},
    ],
}
GOOD = json.dumps({"outputs": [{"name": "y", "datatype": "FP32", "shape": [3, 2], "data": [1, 2, 3, 4, 5, 6]}]})


@contextmanager
def server(metadata: Any, answer: str = GOOD, status: int = 200, busy: int = 0) -> Iterator[Model]:
    """Answers GET with `metadata`, POST with `status` and `answer`, whatever is asked; the first `busy` get a 429."""
    still_busy = [True] * busy
    told = metadata if isinstance(metadata, str) else json.dumps(metadata)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(200, told)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            refused = bool(still_busy) and still_busy.pop()
            self._send(429 if refused else status, "{}" if refused else answer)

        def _send(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text.encode())))
            self.send_header("Location", "http://127.0.0.1:1/")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Tests are quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        line = straight(f"http://127.0.0.1:{listening.server_port}")
        try:
            yield Model(line, "m")
        finally:
            line.pool.clear()
            listening.shutdown()
            thread.join()


def test_a_server_that_answers_in_json_is_understood() -> None:
    with server(METADATA) as model:
        assert model.logits(X, "").tolist() == [[1, 2], [3, 4], [5, 6]]


@pytest.mark.parametrize(
    ("metadata", "answer", "status", "said"),
    [
        ("<html>", GOOD, 200, "does not speak the Open Inference Protocol"),
        ([1], GOOD, 200, "does not speak the Open Inference Protocol"),
        ({"inputs": []}, GOOD, 200, "does not speak the Open Inference Protocol"),
        (METADATA, '{"error": "model m\\nis not ready"}', 503, "/v2/models/m/infer answered 503: model m is not ready"),
        (METADATA, '{"message": "no endpoints available"}', 503, "answered 503: no endpoints available"),
        (METADATA, "<html>\nBad gateway", 502, "answered 502: <html> Bad gateway"),
        (METADATA, "[]", 302, r"answered 302: \[\]"),
        (METADATA, "{}", 200, "cannot read what http://127.0.0.1:"),
        (METADATA, "nothing", 200, "cannot read what"),
        (METADATA, GOOD.replace('"y"', '"z"'), 200, "cannot read what"),
        (METADATA, GOOD.replace("[3, 2]", "[3, 3]"), 200, "cannot read what"),
        (METADATA, GOOD.replace("FP32", "FP31"), 200, "cannot read what"),
    ],
)
def test_what_a_server_answers_wrongly_is_told(metadata: Any, answer: str, status: int, said: str) -> None:
    with server(metadata, answer, status) as model, pytest.raises(AskingError, match=said):
        model.logits(X, "y")


def test_a_server_that_is_busy_is_asked_again() -> None:
    with server(METADATA, GOOD, 200, busy=2) as model:
        assert model.logits(X, "y").shape == (3, 2)


def test_help_in_place_of_a_device_is_no_answer() -> None:
    document = {**json.loads(GOOD), "parameters": {"edgewise_source": "target:cloud"}}
    with server(METADATA, json.dumps(document)) as model:
        assert model.logits(X, "y").shape == (3, 2)
        with pytest.raises(AskingError, match=r"target:cloud answered at .* and no device: is none ready"):
            Model(model.line, "m", local=True).logits(X, "y")


def test_an_output_has_to_be_named_where_several_could_be_meant() -> None:
    several = {**METADATA, "outputs": [{"name": name, "datatype": "FP32", "shape": [-1]} for name in ("a", "b")]}
    with server(several) as model, pytest.raises(AskingError, match=r"has a, b\): let spec.confidence.output"):
        model.logits(X, "")
    with server(METADATA) as model, pytest.raises(AskingError, match=r"has no output logits \(it has y, box\)"):
        model.logits(X, "logits")


@pytest.mark.parametrize(
    ("datatype", "array", "taken"),
    [
        ("FP32", np.zeros((3, 2)), True),
        ("FP16", np.zeros((3, 2), np.float32), True),
        ("INT64", np.zeros((3, 2), np.uint8), True),
        ("INT8", np.zeros((3, 2), np.int64), False),
        ("FP32", np.zeros((3, 2), np.uint8), False),
        ("INT8", np.zeros((3, 2), np.float32), False),
        ("FP32", np.zeros((3, 2), "S4"), False),
        ("BOOL", np.zeros((3, 2), bool), True),
        ("FP32", np.zeros((3, 3), np.float32), False),
    ],
)
def test_an_array_is_sent_as_the_model_takes_it_where_that_changes_no_meaning(
    datatype: str, array: NDArray[Any], taken: bool
) -> None:
    with server({**METADATA, "inputs": [{"name": "x", "datatype": datatype, "shape": [-1, 2]}]}) as model:
        if taken:
            assert model.logits({"x": array}, "y").shape == (3, 2)
        else:
            with pytest.raises(AskingError, match=rf"x is .* the model wants {datatype} .*: store what a client sends"):
                model.logits({"x": array}, "y")


def test_inputs_of_text_are_asked_about_elsewhere() -> None:
    pictures = {**METADATA, "inputs": [{"name": "x", "datatype": "BYTES", "shape": [-1, 2]}]}
    with server(pictures) as model, pytest.raises(AskingError, match="give the logits instead, with --logits"):
        model.logits(X, "y")


def test_a_ca_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(AskingError, match=r"there is no file .*; name the CA's certificate"):
        straight("https://device:8000", ca=str(tmp_path / "ca.crt"))
