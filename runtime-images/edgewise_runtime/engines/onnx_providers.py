"""Which execution providers a session of ONNX Runtime gets, with which options, and which of them got any work."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from edgewise_runtime.engines.base import EngineOptions

log = logging.getLogger(__name__)

CPU = "CPUExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"
OPENVINO = "OpenVINOExecutionProvider"

Providers = list[tuple[str, dict[str, str]]]


def wanted(options: EngineOptions) -> list[str]:
    """Everything but the CPU, in order of liking."""
    return [name for name in options.providers if name != CPU]


def providers(options: EngineOptions, available: Sequence[str]) -> Providers:
    """The wanted providers this build of ONNX Runtime has, with their options; the CPU always last.

    An option `<provider>.<key>` goes to that provider, `trt_*` to TensorRT, `session.*` to the session, and any other
    to the first of the profile's providers that is not TensorRT."""
    accelerators = [name for name in wanted(options) if name in available]
    missing = sorted(set(wanted(options)) - set(accelerators))
    if missing:
        log.warning("this image's ONNX Runtime has no %s; going on with %s", ", ".join(missing), [*accelerators, CPU])
    given: dict[str, dict[str, str]] = {name: {} for name in accelerators}
    for option, value in options.options.items():
        owner, key = _owner(option, wanted(options))
        if owner in given:
            given[owner][key] = value
    return [*given.items(), (CPU, {})]


def session_settings(options: EngineOptions) -> dict[str, str]:
    """The options that are the session's own."""
    return {key: value for key, value in options.options.items() if key.startswith("session.")}


def provider_of(session: Any) -> str:
    """The first provider that really computes something: one that was taken but got no node of the graph is not it."""
    registered: list[str] = session.get_providers()
    if registered[0] == CPU or not hasattr(session, "get_provider_graph_assignment_info"):  # since 1.24
        return registered[0]
    nodes: dict[str, int] = {}
    for part in session.get_provider_graph_assignment_info():
        nodes[part.ep_name] = nodes.get(part.ep_name, 0) + len(part.get_nodes())
    log.info("nodes of the graph by provider: %s", nodes)
    return next((name for name in registered if nodes.get(name)), CPU)


def is_accelerator(provider: str, options: EngineOptions) -> bool:
    """OpenVINO computes on the CPU unless it is given another device."""
    device = options.options.get("device_type", options.options.get(f"{OPENVINO}.device_type", "CPU"))
    return provider != CPU and (provider != OPENVINO or not device.startswith("CPU"))


def _owner(option: str, names: Sequence[str]) -> tuple[str, str]:
    provider, _, key = option.partition(".")
    if provider == "session":
        return "", option
    if key and provider.endswith("ExecutionProvider"):
        return provider, key
    if option.startswith("trt_"):
        return TENSORRT, option
    return next((name for name in names if name != TENSORRT), ""), option
