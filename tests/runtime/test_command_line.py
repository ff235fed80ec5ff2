"""What a person with a model file and a shell sees."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from asyncio.subprocess import PIPE
from collections.abc import Callable
from pathlib import Path

import aiohttp
import numpy as np
import pytest

from edgewise_runtime.settings import Settings, SettingsError
from tests.runtime import tinyonnx
from tests.runtime.issuer import Issuer
from tests.runtime.photos import encoded, plain
from tests.runtime.processes import serving


async def got(url: str) -> object:
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        return await answer.json()


MODELS: dict[str, Callable[[Path], Path]] = {
    "few values": lambda folder: tinyonnx.linear(folder, np.eye(2)),
    "many values": lambda folder: tinyonnx.linear(folder, np.ones((784, 10))),
    "two inputs": tinyonnx.subtract,
    "text": lambda folder: tinyonnx.echo(folder, "BYTES", ["n"]),
}


@pytest.mark.parametrize("case", MODELS)
async def test_serve_prints_a_command_that_works_as_it_stands(case: str, tmp_path: Path) -> None:
    async with serving(MODELS[case](tmp_path)) as served:
        command = served.welcome.split("Try:\n")[1].splitlines()[0].strip()
        curl = await asyncio.create_subprocess_shell(command, stdout=PIPE, stderr=PIPE)
        answer, _ = await curl.communicate()
        assert b'"outputs":[{"name":' in answer, answer


async def test_the_command_for_a_model_that_takes_pictures_works_beside_a_picture(tmp_path: Path) -> None:
    processing = tmp_path / "processing.yaml"
    processing.write_text(
        "pre: [{decodeImage: {}}, {resize: {width: 4, height: 4}}, {toTensor: {}}]\npost: [{topK: {}}]\n"
        "labels: [red, green, blue]\n"
    )
    (tmp_path / "picture.jpg").write_bytes(encoded(plain(20, 10, (0, 200, 0)), "JPEG"))
    async with serving(tinyonnx.colours(tmp_path), "--processing", str(processing)) as served:
        assert "  in   pixels: BYTES [-1]" in served.welcome
        command = served.welcome.split("Try:\n")[1].splitlines()[0].strip()
        curl = await asyncio.create_subprocess_shell(command, stdout=PIPE, stderr=PIPE, cwd=tmp_path)
        answer, _ = await curl.communicate()
        assert b'"green"' in answer, answer


async def test_the_command_of_a_guarded_server_works_with_the_token_in_the_environment(tmp_path: Path) -> None:
    tokens, certificate = tmp_path / "clients", Issuer().server().write(tmp_path / "digits-tls")
    tokens.mkdir()
    (tokens / "me").write_text("0123456789abcdef")
    guarded = {"EDGEWISE_TOKENS_FOLDER": str(tokens), "EDGEWISE_CERTIFICATE_FOLDER": str(certificate)}
    async with serving(tinyonnx.linear(tmp_path, np.eye(2)), **guarded) as served:
        command = served.welcome.split("Try:\n")[1].splitlines()[0].strip()
        for token, expected in (
            ("0123456789abcdef", b'"outputs":[{"name":'),
            ("fedcba9876543210", b"not one of those"),
        ):
            curl = await asyncio.create_subprocess_shell(command, stdout=PIPE, stderr=PIPE, env={"TOKEN": token})
            answer, _ = await curl.communicate()
            assert expected in answer, answer


async def test_serve_names_the_model_after_its_file_or_as_told(tmp_path: Path) -> None:
    path = tinyonnx.linear(tmp_path, np.eye(2), "my model (v2)")
    async with serving(path) as served:
        assert "Serving my-model-v2 on http://localhost:" in served.welcome
    async with serving(path, "--name", "digits") as served:
        assert await got(f"{served.url}/v2/models") == {"models": ["digits"]}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_with_success(number: signal.Signals, tmp_path: Path) -> None:
    async with serving(tinyonnx.linear(tmp_path, np.eye(2))) as served:
        served.process.send_signal(number)
        assert await served.process.wait() == 0


async def test_onnx_runtime_writes_no_telemetry_database(tmp_path: Path) -> None:
    """It does, under ~/.cache, unless told not to before the import; see FACTS on ORT_DISABLE_TELEMETRY."""
    home = tmp_path / "home"
    home.mkdir()
    async with serving(tinyonnx.linear(tmp_path, np.eye(2)), HOME=str(home)) as served:
        assert await got(f"{served.url}/v2/health/ready") == {"ready": True}
    assert list(home.rglob("*")) == []


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    whole = [sys.executable, "-m", "edgewise_runtime", *arguments]
    return subprocess.run(whole, env=environment, capture_output=True, text=True, check=False)


def test_what_cannot_start_says_why_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("not a model")
    model = tinyonnx.colours(tmp_path)
    for run, expected in (
        (command("serve", str(model), "--processing", "missing.yaml"), "missing.yaml is no processing as an EdgeModel"),
        (command("serve", "missing.onnx"), "missing.onnx: no such file"),
        (command("serve", str(tmp_path / "text.onnx")), "not a readable ONNX file"),
        (command("serve", "x.onnx", EDGEWISE_MAX_BODY="64Mi"), "EDGEWISE_MAX_BODY='64Mi': a whole number from 0 up"),
        (command("serve", "x.onnx", EDGEWISE_LOG_LEVEL="loud"), "LOUD"),
    ):
        assert run.returncode == 1
        assert expected in run.stderr
        assert len(run.stderr.splitlines()) == 1


def test_settings_come_from_the_environment() -> None:
    names = {"HTTP_PORT": "9000", "NODE_NAME": "camera-7", "GRACE": "1.5", "PROFILE": ""}
    environment = {f"EDGEWISE_{name}": value for name, value in names.items()}
    settings = Settings.from_environment(environment)
    assert (settings.http_port, settings.node_name, settings.grace) == (9000, "camera-7", 1.5)
    assert settings.metrics_port == 8002


@pytest.mark.parametrize("text", ["abc", "-1", "1.5", "inf", "1e3", "65536"])
def test_a_setting_that_is_no_number_is_refused_by_name(text: str) -> None:
    with pytest.raises(SettingsError, match="EDGEWISE_HTTP_PORT"):
        Settings.from_environment({"EDGEWISE_HTTP_PORT": text})


@pytest.mark.parametrize("option", ["--port", "--grpc-port", "--metrics-port"])
def test_a_port_that_does_not_exist_is_refused_by_name(option: str) -> None:
    run = command("serve", "x.onnx", option, "65536")
    assert run.returncode == 2
    assert f"argument {option}: '65536' is no port: a whole number from 0 to 65535 is needed" in run.stderr


def test_serving_imports_nothing_large_that_it_may_not_need() -> None:
    """Each costs a device 4 to 21 MiB; yaml, 15 ms of each start."""
    imported = printed_by("import sys, edgewise_runtime.commands, edgewise_runtime.engines.onnx; print(*sys.modules)")
    dear = {"PIL", "aiohttp", "cryptography", "grpc", "kopf", "kubernetes", "prometheus_client", "tritonclient", "yaml"}
    assert not dear & set(imported.split())


def test_a_device_that_starts_reads_no_source() -> None:
    """Descriptions of fields are for the CRDs; to find them took a third of what the contract costs a start."""
    script = "import linecache, edgewise_runtime.agent; print([name for name in linecache.cache if 'edgewise' in name])"
    assert printed_by(script) == "[]\n"


def test_nobody_looks_for_garbage_while_the_program_is_imported() -> None:
    script = """
import gc, sys, edgewise_runtime.__main__ as program
before = sum(generation["collections"] for generation in gc.get_stats())
sys.argv = ["edgewise-runtime", "--version"]
try:
    program.main()
except SystemExit:
    print("edgewise_runtime.server" in sys.modules)
    print(sum(generation["collections"] for generation in gc.get_stats()) - before)
"""
    assert printed_by(script).split()[-2:] == ["True", "0"]


def printed_by(script: str) -> str:
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
