from __future__ import annotations

from typing import Any

import pytest

from edgewise_runtime.access import Peer
from edgewise_runtime.errors import ForbiddenError
from edgewise_runtime.http import holding


class Transport:
    """What asyncio tells of a connection."""

    def __init__(self, **extra: Any) -> None:
        self._extra = extra

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._extra.get(name, default)


def connected(host: str, *more: int, **extra: Any) -> Peer:
    return Peer.of_transport(Transport(peername=(host, 50123, *more), **extra))  # type: ignore[arg-type]  # enough of one


@pytest.mark.parametrize(
    ("host", "place"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:aaaa::7", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:bbbb::9", "2001:db8:1:2::/64"),
        ("fe80::1234%eth0", "fe80::1234"),
        ("::1", "::/64"),
    ],
)
def test_a_client_is_counted_by_what_it_cannot_choose(host: str, place: str) -> None:
    assert connected(host, 0, 0).address == place


def test_a_unix_socket_has_one_client() -> None:
    assert Peer.of_transport(Transport(peername="")).address == "local"  # type: ignore[arg-type]


COMMON = (("countryName", "DE"),), (("commonName", "camera-7"),)


@pytest.mark.parametrize(
    ("certificate", "name"),
    [
        pytest.param(None, "", id="none"),
        pytest.param({}, "", id="one that was not verified"),
        pytest.param({"subject": COMMON, "subjectAltName": (("DNS", "cam"),)}, "camera-7", id="common name"),
        pytest.param({"subject": (), "subjectAltName": (("URI", "spiffe://fleet/camera"),)}, "spiffe://fleet/camera",
                     id="no subject, as cert-manager makes it by default"),
        pytest.param({"subject": ((("commonName", ""),),)}, "", id="an empty name"),
    ],
)  # fmt: skip
def test_a_client_certificate_names_its_client(certificate: Any, name: str) -> None:
    assert connected("192.0.2.7", peercert=certificate).certificate == name


@pytest.mark.parametrize(
    ("theirs", "ours", "within"),
    [
        pytest.param("127.0.0.1", "127.0.0.1", True, id="from the device"),
        pytest.param("::1", "::1", True, id="likewise, by IPv6"),
        pytest.param("::ffff:127.0.0.1", "::ffff:127.0.0.1", True, id="likewise, by a socket for both"),
        pytest.param("10.42.0.9", "10.42.0.7", False, id="from the pod network"),
        pytest.param("127.0.0.6", "10.42.0.7", False, id="by a proxy in the pod, from wherever"),
        pytest.param("fe80::1%eth0", "fe80::2%eth0", False, id="from a neighbour"),
    ],
)
def test_who_asks_on_the_device_itself_is_known_by_both_ends(theirs: str, ours: str, within: bool) -> None:
    assert connected(theirs, 0, 0, sockname=(ours, 8002, 0, 0)).within is within


def test_nobody_else_holds_a_device() -> None:
    for stranger in (Peer("10.42.0.9"), Peer("127.0.0.6"), Peer("local")):
        with pytest.raises(ForbiddenError, match="only a program on the device itself"):
            holding.admit(stranger)
    holding.admit(Peer("127.0.0.1", within=True))
