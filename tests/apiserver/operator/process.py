"""The operator as a process of its own, as its image runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.cluster import audit
from tests.cluster.apiserver import ApiServer
from tests.cluster.ports import free_port
from tests.cluster.waiting import NotReadyError, wait_for


class OperatorProcess:
    """A running operator."""

    def __init__(self, api: ApiServer, user: str, log: Path, environment: Mapping[str, str]) -> None:
        self.api = api
        self.user = user
        self.log = log
        self._metrics_port, reports_port = free_port(), free_port()
        whole = {
            **os.environ,
            "EDGEWISE_NAMESPACE": "edgewise-system",
            "EDGEWISE_METRICS_PORT": str(self._metrics_port),
            "EDGEWISE_REPORTS_PORT": str(reports_port),
            "EDGEWISE_IDENTITY": user,
            "EDGEWISE_DEFAULT_IMAGES": "cpu=registry.example/runtime:1",
            **environment,
        }
        with log.open("w") as sink:
            self.process = subprocess.Popen([sys.executable, "-m", "edgewise.handlers"], env=whole, stderr=sink)

    def metric(self, name: str, **labels: str) -> float:
        """Sum of the samples of this name with these labels; 0 while there is none, or nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._metrics_port}/metrics") as answer:
                lines: list[str] = answer.read().decode().splitlines()
        except OSError:
            return 0
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        samples = [line for line in lines if line.partition("{")[0].partition(" ")[0] == name]
        return sum(float(line.rpartition(" ")[2]) for line in samples if all(part in line for part in wanted))

    def healthy(self) -> bool:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._metrics_port}/healthz") as answer:
            return bool(answer.status == 200)

    def until(self, what: str, holds: Callable[[], bool]) -> None:
        """Waits for something the operator does; on failure, says what it logged."""
        try:
            wait_for(what, lambda: self._alive() and holds(), timeout=60)
        except NotReadyError as error:
            raise NotReadyError(f"{error}\n{self.log.read_text()[-4000:]}") from None

    def settled(self) -> bool:
        """Everything was looked at, and nothing waits."""
        looked = self.metric("edgewise_operator_reconcile_total", kind="DeviceProfile", outcome="success") >= 11
        return looked and not self.metric("edgewise_operator_queue_depth")

    def writes(self) -> Counter[str]:
        """Its writes so far, but for the Lease, as `verb resource`."""
        calls = audit.calls(self.api.audit_log, user=self.user)
        reads = ("get", "list", "watch")
        wanted = {call: n for call, n in calls.items() if call.verb not in reads and call.resource != "leases"}
        return Counter({f"{call.verb} {call.resource}": number for call, number in wanted.items()})

    def renewals(self) -> int:
        return sum(audit.calls(self.api.audit_log, user=self.user, verb="patch", resource="leases").values())

    def stop(self) -> int:
        """Tells it to stop, and returns its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)

    def messages(self) -> list[str]:
        """What it logged."""
        return [json.loads(line)["message"] for line in self.log.read_text().splitlines() if line.startswith("{")]

    def _alive(self) -> bool:
        if self.process.poll() is not None:
            raise NotReadyError(f"the operator ended with status {self.process.returncode}")
        return True


@contextmanager
def operator(
    api: ApiServer, user: str, log: Path, kubeconfig: Path | None = None, **environment: str
) -> Iterator[OperatorProcess]:
    """An operator for the block, then stopped as a pod is. `user` is who it is in the audit log."""
    login = {"KUBECONFIG": str(kubeconfig or api.kubeconfig_for(user, "system:masters"))}
    running = OperatorProcess(api, user, log, {**login, **environment})
    try:
        yield running
    finally:
        try:
            if running.process.poll() is None:
                running.stop()
        finally:
            running.process.kill()
