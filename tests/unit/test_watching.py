"""kopf as a watcher, and nothing more."""

from __future__ import annotations

import kopf

from edgewise.handlers import watch_settings


def test_kopf_copies_no_object_to_tell_what_changed_in_it() -> None:
    storage = watch_settings().persistence.diffbase_storage
    body = kopf.Body({"metadata": {"name": "pod", "labels": {"app": "digits"}}, "spec": {"nodeName": "pi-1"}})
    assert storage.fetch(body=body) is None
    assert storage.build(body=body) == {}
