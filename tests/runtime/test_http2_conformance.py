"""gRPC's HTTP/2 is our own, so it is held to h2spec: 145 cases from RFC 7540 and RFC 7541."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.cluster.binaries import H2SPEC
from tests.runtime.fuzz.device import fuzzed_device

PATH = "/inference.GRPCInferenceService/ServerLive"
WAIVED = {
    "Sends HEADERS frame that depend on itself": "RFC 9113 has no priorities any more",
    "Sends PRIORITY frame that depend on itself": "RFC 9113 has no priorities any more",
    "Sends a dynamic table size update": "wants a table of headers, of which the settings here allow none",
    "Sends multiple dynamic table size update": "wants a table of headers, of which the settings here allow none",
    "Sends HEADERS frames that causes their advertised concurrent stream limit to be exceeded": (
        "each of them is answered before the next one comes"
    ),
    "Sends a WINDOW_UPDATE frame on half-closed (remote) stream": "wants DATA; a gRPC refusal is headers alone",
    "Sends a PRIORITY frame on half-closed (remote) stream": "wants DATA; a gRPC refusal is headers alone",
}


@pytest.mark.skipif(shutil.which("go") is None, reason="h2spec is built with Go")
def test_http2_follows_the_rules(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    with fuzzed_device(tmp_path) as device:
        argv = [str(H2SPEC.path()), "-h", "127.0.0.1", "-p", str(device.grpc_port), "-P", PATH]
        subprocess.run([*argv, "--timeout", "1", "--junit-report", str(report)], capture_output=True, check=False)
        assert device.outcries() == []
    cases = list(ElementTree.parse(report).iter("testcase"))
    assert len(cases) > 140
    failed = {case.get("classname") for case in cases if case.find("error") is not None}
    assert failed - set(WAIVED) == set()
