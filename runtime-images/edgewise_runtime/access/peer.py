"""The other end of a connection, as far as its transport knows it. Made by HTTP and gRPC, judged by Access."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

_SITE = 64  # bits of an IPv6 address that its network chooses; the rest is the host's, as many as it likes


@dataclass(frozen=True)
class Peer:
    """One client. Nothing in it is believed but what the kernel or a verified certificate says."""

    address: str
    """Without its port. Of IPv6 the network of 64 bits: whoever has one has 2^64 addresses in it."""
    certificate: str = ""
    """Common name of the verified client certificate, or its first alternative name; empty: there is none."""
    within: bool = False
    """It asks from this machine (in a pod: from the pod), and asked a loopback address: no network brings that in, nor
    does a proxy beside the runtime that hands on what came from one."""

    @classmethod
    def of_transport(cls, transport: asyncio.BaseTransport) -> Peer:
        """Of an asyncio connection; with TLS, once the handshake is over."""
        peername = transport.get_extra_info("peername")
        certificate = transport.get_extra_info("peercert") or {}
        subject = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
        others = [value for _, value in certificate.get("subjectAltName", ()) if isinstance(value, str)]
        within = all(_loops(transport.get_extra_info(end)) for end in ("peername", "sockname"))
        address = _place(peername[0]) if isinstance(peername, tuple) else "local"
        return cls(address, _first([*subject, *others]), within)


def _loops(name: object) -> bool:
    """Whether one end of a connection is a loopback address."""
    if not isinstance(name, tuple):
        return False
    address = ip_address(str(name[0]).partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


@lru_cache(maxsize=1024)
def _place(host: str) -> str:
    """A neighbour's link-local address stands for itself: all of a link share the network."""
    address = ip_address(host.partition("%")[0])
    if not isinstance(address, IPv6Address) or address.is_link_local:
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ip_network((address, _SITE), strict=False))


def _first(names: Iterable[str]) -> str:
    return next((name for name in names if name), "")
