"""Which keys of which Secrets a pod mounts: those that its program reads, and no others. What holds a CA may hold the
CA's own key, and devices get stolen.

A key is written `secret/key`: neither name has a slash. Called by the builders of pod templates and of what they need.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from edgewise.api.base import SecretKeyRef, SecretRef

CREDENTIALS = ("token", "username", "password")
CERTIFICATE = ("tls.crt", "tls.key")
S3 = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_ENDPOINT_URL")
_FOR_THE_GROUP = 0o440  # one of them is a private key; the pod's fsGroup reads it


def keys_of(reference: SecretRef | SecretKeyRef | None, names: Iterable[str] = ()) -> Iterator[str]:
    """`names`: of a reference that has no key of its own."""
    if isinstance(reference, SecretKeyRef):
        yield f"{reference.name}/{reference.key}"
    elif reference is not None:
        yield from (f"{reference.name}/{name}" for name in names)


def grouped(keys: Iterable[str]) -> dict[str, list[str]]:
    """{secret: its keys}, both in order."""
    split = (key.split("/") for key in sorted(set(keys)))
    return {secret: [key for _, key in pairs] for secret, pairs in groupby(split, lambda pair: pair[0])}


def volume(name: str, secret: str, items: Mapping[str, str]) -> dict[str, Any]:
    """items: {key: file}; empty: all. Optional, the Secret and each key: who misses one starts, and says so."""
    source = {
        "secretName": secret,
        "optional": True,
        "defaultMode": _FOR_THE_GROUP,
        **({"items": [{"key": key, "path": path} for key, path in items.items()]} if items else {}),
    }
    return {"name": name, "secret": source}


def mount(name: str, folder: str) -> dict[str, Any]:
    return {"name": name, "mountPath": folder, "readOnly": True}
