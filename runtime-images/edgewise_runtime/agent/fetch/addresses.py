"""Which addresses a model may be fetched from. A plan is written by a tenant, the device stands in somebody's network:
without this a `uri` could read the cloud's metadata service or a server on the device itself.

The check sits where the socket is made, so it sees the address really connected to: after DNS, after every redirect.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NAT64 = IPv6Network("64:ff9b::/96")
# Unique-local, but a cloud's metadata service all the same (AWS, over IPv6).
_METADATA = (IPv6Network("fd00:ec2::254/128"), IPv4Network("100.100.100.200/32"))


class AddressRefusedError(PermissionError):
    """Not an address that models come from."""


class AddressGuard:
    """Makes sockets only towards addresses that are neither this device nor link-local, unless allowed by name."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        """`allowed`: addresses or networks, such as 127.0.0.1 or 169.254.7.0/24. ValueError on anything else."""
        self._allowed: tuple[Network, ...] = tuple(ip_network(text) for text in allowed)

    def socket(self, info: tuple[Any, ...]) -> socket.socket:
        """aiohttp's socket_factory; `info` as from getaddrinfo. AddressRefusedError where it must not connect."""
        family, kind, protocol, _, address = info
        self.check(str(address[0]))
        return socket.socket(family=family, type=kind, proto=protocol)

    def check(self, text: str) -> None:
        """AddressRefusedError where `text` is an address to stay away from."""
        address = ip_address(text.partition("%")[0])
        if any(address in network for network in self._allowed):
            return
        if _is_off_limits(_embedded(address)):
            raise AddressRefusedError(errno.EACCES, f"{text} is a loopback, link-local or otherwise special address")


def _embedded(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one, where there is one."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else address


def _is_off_limits(address: Address) -> bool:
    special = address.is_loopback or address.is_link_local or address.is_unspecified
    return special or address.is_multicast or address.is_reserved or any(address in net for net in _METADATA)
