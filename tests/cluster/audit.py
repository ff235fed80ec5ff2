"""Counts what clients ask of an API server, from its audit log: the proof behind every claim on API load."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
"""


@dataclass(frozen=True, order=True)
class Call:
    """One kind of request; `resource` has its subresource, as in `pods/status`, or is a path such as `/readyz`."""

    user: str
    """Empty where the API server did not find out who asked: it answered 401, or was still starting."""
    verb: str
    resource: str


def calls(log: Path, user: str = "", verb: str = "", resource: str = "", code: int = 0) -> Counter[Call]:
    """How often each call was made, of those asked for (empty, 0: any); a watch counts once.

    `code` is the HTTP status of the answer, such as 403.
    """
    wanted = {"user": user, "verb": verb, "resource": resource}
    seen: dict[str, Call] = {}
    for event in _events(log):
        call = _call(event)
        answered = event.get("responseStatus", {}).get("code")
        if code in (0, answered) and all(getattr(call, key) == value for key, value in wanted.items() if value):
            seen[event["auditID"]] = call
    return Counter(seen.values())


def _events(log: Path) -> Iterator[dict[str, Any]]:
    with log.open() as lines:
        for line in lines:
            if line.endswith("\n"):  # the last one may still be being written
                yield json.loads(line)


def _call(event: dict[str, Any]) -> Call:
    reference = event.get("objectRef", {})
    names = [reference.get("resource", ""), reference.get("subresource", "")]
    resource = "/".join(filter(None, names)) or event["requestURI"].partition("?")[0]
    return Call(event["user"].get("username", ""), event["verb"], resource)
