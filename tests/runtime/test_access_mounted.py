"""Mounted Secrets as a kubelet renews them, read while it does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from edgewise_runtime.access.mounted import Demands, Mounted
from tests.runtime.issuer import Issuer
from tests.runtime.volume import Volume

TOKEN = "0123456789abcdef"
ISSUER = Issuer()
_LOOKS = 100


def certificate(folder: Path) -> Volume:
    return Volume(folder, ("tls.crt", "tls.key"), lambda moment: ISSUER.server().write(moment))


def tokens(folder: Path) -> Volume:
    def write(moment: Path) -> None:
        for client in ("camera", "gate"):
            (moment / client).write_text(TOKEN + client)

    return Volume(folder, ("camera", "gate"), write)


@pytest.mark.parametrize(
    ("make", "demand"),
    [(certificate, lambda folder: Demands(certificate=folder)), (tokens, lambda folder: Demands(tokens=folder))],
    ids=["certificate and key", "tokens"],
)
def test_renewing_a_secret_while_it_is_read_leaves_no_gap(
    make: Callable[[Path], Volume], demand: Callable[[Path], Demands], tmp_path: Path
) -> None:
    """Two renewals at each look: one before it, so that there is something to read, and one in the middle of it."""
    volume, looking = make(tmp_path / "volume"), threading.Barrier(2)
    mounted = Mounted(demand(volume.folder))

    def kubelet() -> None:
        for _ in range(_LOOKS):
            looking.wait()
            volume.renew()
            looking.wait()

    renewing = threading.Thread(target=kubelet)
    renewing.start()
    seen = set()
    for _ in range(_LOOKS):
        volume.renew()
        looking.wait()
        mounted.refresh()
        seen.add((mounted.ready, mounted.problem))
        looking.wait()
    renewing.join()
    assert seen == {(True, "")}


def test_what_is_there_is_read_once_and_again_when_it_has_changed(tmp_path: Path) -> None:
    volume = tokens(tmp_path / "volume")
    mounted = Mounted(Demands(tokens=volume.folder))
    before = mounted.tokens
    mounted.refresh()
    assert mounted.tokens is before
    volume.renew()
    mounted.refresh()
    assert mounted.tokens is not before


def test_a_folder_that_cannot_be_read_admits_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    mounted = Mounted(Demands(tokens=tmp_path / "file"))
    assert not mounted.ready
    assert "no tokens" in mounted.problem
