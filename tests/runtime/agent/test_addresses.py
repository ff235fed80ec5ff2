from __future__ import annotations

import pytest

from edgewise_runtime.agent.fetch.addresses import AddressGuard, AddressRefusedError

REFUSED = [
    "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "0.0.0.0", "::", "169.254.169.254",
    "fe80::1%eth0", "fd00:ec2::254", "100.100.100.200", "224.0.0.1", "255.255.255.255",
]  # fmt: skip
TAKEN = ["10.0.0.7", "192.168.1.2", "172.16.0.1", "8.8.8.8", "fd12:3456::1", "2001:4860:4860::8888", "100.64.0.1"]


@pytest.mark.parametrize("address", REFUSED)
def test_a_model_never_comes_from_the_device_itself_or_from_link_local(address: str) -> None:
    with pytest.raises(AddressRefusedError, match=r"special address"):
        AddressGuard().check(address)


@pytest.mark.parametrize("address", TAKEN)
def test_private_and_public_addresses_are_where_models_come_from(address: str) -> None:
    AddressGuard().check(address)


def test_an_address_can_be_allowed_by_name_alone_or_with_its_network() -> None:
    guard = AddressGuard(["127.0.0.1", "169.254.7.0/24"])
    guard.check("127.0.0.1")
    guard.check("169.254.7.9")
    with pytest.raises(AddressRefusedError):
        guard.check("127.0.0.2")
