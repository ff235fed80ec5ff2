from __future__ import annotations

from typing import Any

import pytest

from edgewise_runtime.access import Peer


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
