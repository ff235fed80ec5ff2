"""Schemathesis: reads docs/reference/openapi.yaml, sends what it describes and what it does not, and holds the answers
to it. Used by a test and by the bench."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.cluster.paths import REPOSITORY

DOCUMENT = REPOSITORY / "docs/reference/openapi.yaml"
_CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


class BrokenPromiseError(AssertionError):
    """An answer is not what the document says; the message is all that schemathesis printed."""


def send(port: int, examples: int, seed: int) -> int:
    """How many requests were sent: about `examples` an operation, and those that the document's limits suggest."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        program = Path(sys.executable).with_name("schemathesis")
        argv = [
            *[str(program), "run", str(DOCUMENT), "--url", f"http://127.0.0.1:{port}"],
            *["--phases", "examples,coverage,fuzzing", "--checks", _CHECKS],
            *["--max-examples", str(examples), "--seed", str(seed), "--generation-database", "none"],
            *["--report", "json", "--report-json-path", str(report), "--no-color"],
        ]
        done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BrokenPromiseError(done.stdout + done.stderr)
        sent: int = json.loads(report.read_text())["test_cases"]["generated"]
        return sent
