"""Metadata every child has: owner reference, labels, name."""

from __future__ import annotations

from edgewise.api.base import Metadata
from edgewise.api.names import API_VERSION, MANAGED_BY, ROLE_LABEL
from edgewise.core.outcome import Manifest


def child(api_version: str, kind: str, owner_kind: str, owner: Metadata, name: str) -> Manifest:
    """The head of a child; the caller adds spec or data."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": owner.namespace,
            "labels": {
                "app.kubernetes.io/name": "edgewise-runtime",
                "app.kubernetes.io/instance": owner.name,
                MANAGED_BY: "edgewise",
            },
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": owner_kind,
                    "name": owner.name,
                    "uid": owner.uid,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
    }


def labelled(manifest: Manifest, role: str, **more: str) -> Manifest:
    """The same child with its role, and other labels (full keys as values of `names`)."""
    labels = {**manifest["metadata"]["labels"], ROLE_LABEL: role, **more}
    return {**manifest, "metadata": {**manifest["metadata"], "labels": labels}}
