"""kubectl as a few verbs; every wait says what it waits for, and what it saw last when it gives up."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.cluster import binaries
from tests.cluster.command import CommandError, run

T = TypeVar("T")


class TimedOutError(RuntimeError):
    """What was waited for did not come."""


@dataclass(frozen=True)
class Kubectl:
    """One cluster, one namespace."""

    kubeconfig: Path
    namespace: str

    def __call__(self, *words: object, stdin: str | None = None) -> str:
        return run(binaries.kubectl(), "--kubeconfig", self.kubeconfig, "-n", self.namespace, *words, stdin=stdin)

    def get(self, kind: str, name: str = "", *words: object) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self("get", kind, *([name] if name else []), *words, "-o", "json"))
        return found

    def apply(self, *manifests: dict[str, Any]) -> None:
        listed = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        self("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(listed))

    def exists(self, kind: str, name: str) -> bool:
        return bool(self("get", kind, name, "--ignore-not-found", "-o", "name").strip())

    def start(self, *words: object) -> subprocess.Popen[str]:
        """A kubectl that stays (port-forward, logs -f); the caller ends it."""
        argv = [str(w) for w in (binaries.kubectl(), "--kubeconfig", self.kubeconfig, "-n", self.namespace, *words)]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    @contextmanager
    def forward(self, target: str, port: int) -> Iterator[str]:
        """`kubectl port-forward`: host:port on this machine that leads to `target` (such as svc/digits)."""
        process = self.start("port-forward", target, f":{port}", "--address=127.0.0.1")
        try:
            assert process.stdout is not None
            line = process.stdout.readline()  # Forwarding from 127.0.0.1:40123 -> 8000
            if not line.startswith("Forwarding"):
                raise CommandError(f"kubectl port-forward {target}: {line}{process.stdout.read()}")
            yield line.split()[2]
        finally:
            process.terminate()
            process.communicate()

    def wait(self, what: str, look: Callable[[], T | None], timeout: float = 120.0, every: float = 0.2) -> T:
        """The first answer of `look` that is neither None nor False; errors of kubectl count as not yet.

        Rests at least twice as long as a look takes: what is waited for needs the processors, too."""
        deadline, last = time.monotonic() + timeout, ""
        while (began := time.monotonic()) < deadline:
            try:
                if found := look():
                    return found
            except CommandError as error:
                last = f": {error}"
            time.sleep(max(every, 2 * (time.monotonic() - began)))
        raise TimedOutError(f"{what}: not within {timeout:.0f} s{last}\n{self.situation()}")

    def situation(self) -> str:
        """What a person would look at first."""
        try:
            pods = self("get", "edgedeployments,edgemodels,pods", "-o", "wide", "--ignore-not-found")
            return pods + self("get", "events", "--sort-by=.lastTimestamp")[-3000:]
        except CommandError as error:
            return str(error)

    def condition(self, kind: str, name: str, condition: str = "Ready") -> dict[str, Any]:
        """One condition of an object at its present generation; empty while there is none."""
        body = self.get(kind, name)
        generation = body["metadata"].get("generation")
        for entry in body.get("status", {}).get("conditions", ()):
            if entry["type"] == condition and entry.get("observedGeneration", generation) == generation:
                found: dict[str, Any] = entry
                return found
        return {}

    def wait_ready(self, kind: str, name: str, timeout: float = 120.0) -> dict[str, Any]:
        """Until Ready is True for the newest generation."""

        def look() -> dict[str, Any] | None:
            ready = self.condition(kind, name)
            return ready if ready.get("status") == "True" else None

        return self.wait(f"{kind}/{name} Ready", look, timeout)

    def wait_reason(self, kind: str, name: str, reason: str, timeout: float = 60.0) -> dict[str, Any]:
        """Until Ready carries this reason for the newest generation."""

        def look() -> dict[str, Any] | None:
            ready = self.condition(kind, name)
            return ready if ready.get("reason") == reason else None

        return self.wait(f"{kind}/{name} Ready reason {reason}", look, timeout)
