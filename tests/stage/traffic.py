"""Clients in pods of their own: steady traffic against a served model, and what came back of it."""

import base64
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.stage.kubectl import Kubectl

HELD_OUT = Path("examples/models/digits/heldout.npz")
CLIENT = Path(__file__).with_name("traffic_client.py")
DATA = "traffic-data"


@dataclass
class Answers:
    """Sum of what a client saw."""

    sent: int = 0
    failed: int = 0
    correct: int = 0
    milliseconds: list[float] = field(default_factory=list)
    sources: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)

    @property
    def answered(self) -> int:
        return self.sent - self.failed

    @property
    def accuracy(self) -> float:
        return self.correct / max(1, len(self.milliseconds))

    def percentile(self, share: float) -> float:
        """Milliseconds; share 0.5 is the median."""
        ordered = sorted(self.milliseconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def total(lines: Iterable[dict[str, Any]]) -> Answers:
    """Adds up the client's lines."""
    answers = Answers()
    for line in lines:
        answers.sent += line["sent"]
        answers.failed += line["failed"]
        answers.correct += line["correct"]
        answers.milliseconds += line["milliseconds"]
        answers.sources.update(line["sources"])
        answers.versions.update(line["versions"])
        answers.errors.update(line["errors"])
    return answers


@dataclass(frozen=True)
class Traffic:
    """A running client pod."""

    kubectl: Kubectl
    name: str

    def lines(self) -> list[dict[str, Any]]:
        """What it has printed so far; a line a second."""
        text = self.kubectl("logs", self.name)
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def answers(self, since: float = 0.0, until: float = float("inf")) -> Answers:
        return total(line for line in self.lines() if since <= line["at"] <= until)

    def wait_answered(self, count: int, timeout: float = 60.0) -> None:
        """Until so many requests came back well."""
        self.kubectl.wait(
            f"{self.name}: {count} answers", lambda: self.answers().answered >= count or None, timeout, every=0.5
        )

    def stop(self) -> Answers:
        """Ends the client and returns everything it saw; the last line is written when it is told to stop."""
        self.kubectl("exec", self.name, "--", "/bin/sh", "-c", "kill -TERM 1")
        return self.finish(30)

    def finish(self, timeout: float = 120.0) -> Answers:
        """Waits until it ends by itself, and returns everything it saw."""
        self.kubectl.wait(
            f"{self.name} ends well",
            lambda: self.kubectl.get("pod", self.name)["status"].get("phase") == "Succeeded" or None,
            timeout,
        )
        answers = self.answers()
        self.remove()
        return answers

    def remove(self) -> None:
        self.kubectl("delete", "pod", self.name, "--ignore-not-found", "--wait=false", "--grace-period=1")


def upload(kubectl: Kubectl) -> None:
    """The client's program and its images, as a ConfigMap."""
    kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": DATA},
            "data": {"client.py": CLIENT.read_text()},
            "binaryData": {"heldout.npz": base64.b64encode(HELD_OUT.read_bytes()).decode()},
        }
    )


@dataclass(frozen=True)
class Client:
    """What a client pod asks, from where, how often."""

    url: str
    model: str = "digits"
    rate: float = 50.0
    node: str = ""
    """Node it runs on; empty: anywhere."""
    selector: dict[str, str] = field(default_factory=dict)
    count: int = 0
    """Requests after which it ends by itself; 0: when it is told to."""
    keep_alive: bool = False
    """Connections are kept; else each request makes its own."""
    private: bool = False
    """Nothing of its requests may leave the device."""

    @property
    def options(self) -> list[str]:
        """Of the client's command line."""
        count = ["--count", str(self.count)] if self.count else []
        return count + ["--keep-alive"] * self.keep_alive + ["--private"] * self.private


def start(kubectl: Kubectl, image: str, name: str, client: Client) -> Traffic:
    """Starts a client pod (an ordinary one: restricted, no cluster rights) and waits for its first answers."""
    kubectl("delete", "pod", name, "--ignore-not-found", "--grace-period=1")
    upload(kubectl)
    kubectl.apply(_pod(name, image, client))
    traffic = Traffic(kubectl, name)
    kubectl.wait(f"{name} runs", lambda: bool(traffic.lines()) or None, 60)
    return traffic


def _pod(name: str, image: str, client: Client) -> dict[str, Any]:
    where = {"kubernetes.io/hostname": client.node} if client.node else client.selector
    program = ["/data/client.py", client.url, client.model, "/data/heldout.npz", str(client.rate), *client.options]
    stay = [
        {"key": f"node.kubernetes.io/{problem}", "operator": "Exists", "effect": "NoExecute"}
        for problem in ("not-ready", "unreachable")
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "traffic"}},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "nodeSelector": where,
            "tolerations": stay,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "client",
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["/opt/venv/bin/python", *program],
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                }
            ],
            "volumes": [{"name": "data", "configMap": {"name": DATA}}],
        },
    }
