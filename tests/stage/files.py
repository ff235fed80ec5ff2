"""A web server on the host's end of the devices' links, which knows what it gave to whom.

The end-to-end tests and `make bench-ota` download from it: it resumes (Range), and may break off as a load balancer or
a NAT does whose devices were out of reach. Only for the embedded cluster.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address, ip_network
from typing import Any, cast

from tests.cluster.cluster import Cluster
from tests.cluster.host import GATEWAY

_CHUNK = 2**12
_UNSENT = 2**14
"""Bytes that the kernel holds for a connection at most: what it has taken and cannot deliver counts as given."""
_PATIENCE = 60.0  # seconds for a device that takes nothing any more
_FROM = re.compile(r"bytes=(\d+)-")


@dataclass
class Passage:
    """One request, under way or over: who asked for what, from where on, and how many bytes of it were given."""

    path: str
    node: str
    """On which the pod is that asked."""
    address: str
    offset: int
    given: int = 0


@dataclass
class Files:
    """What is served. Other threads may read all of it at any time."""

    url: str
    cluster: Cluster
    contents: dict[str, bytes] = field(default_factory=dict)
    passages: list[Passage] = field(default_factory=list)
    """In the order in which they began."""
    breaks_off: Callable[[Passage], bool] = lambda passage: False
    """Whether a connection ends here; asked after every few KiB, and may take its time."""

    def add(self, path: str, content: bytes) -> dict[str, Any]:
        """The `source` of an EdgeModel for a file that is served from now on."""
        self.contents[path] = content
        return {"uri": self.url + path, "sha256": sha256(content).hexdigest(), "size": len(content)}

    def given(self, path: str, node: str) -> int:
        """Bytes of the file that the node was given, those that it was given twice twice."""
        return sum(one.given for one in self.passages if (one.path, one.node) == (path, node))

    def node_of(self, address: str) -> str:
        """The node on whose pod network that is."""
        found = (node.name for node in self.cluster.nodes.values() if _within(address, node.spec.pod_network))
        return next(found, address)


@contextmanager
def served(cluster: Cluster) -> Iterator[Files]:
    """Until the block ends."""
    server = _Server((GATEWAY, 0), _Handler)
    server.files = Files(f"http://{GATEWAY}:{server.server_address[1]}", cluster)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield server.files
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    files: Files


class _Handler(BaseHTTPRequestHandler):
    timeout = _PATIENCE

    def setup(self) -> None:
        connection = cast("socket.socket", self.request)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNSENT)
        super().setup()

    def do_GET(self) -> None:
        files = cast("_Server", self.server).files
        content = files.contents.get(self.path)
        if content is None:
            return self.send_error(404)
        address = str(self.client_address[0])
        passage = Passage(self.path, files.node_of(address), address, self._head(len(content)))
        files.passages.append(passage)
        with suppress(OSError):  # the client is gone
            for at in range(passage.offset, len(content), _CHUNK):
                passage.given += self.wfile.write(content[at : at + _CHUNK])
                if files.breaks_off(passage):
                    break
        return None

    def _head(self, size: int) -> int:
        """Answers; returns where the body begins."""
        asked = _FROM.fullmatch(self.headers.get("Range", ""))
        offset = min(int(asked[1]), size) if asked else 0
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(size - offset))
        if asked:
            self.send_header("Content-Range", f"bytes {offset}-{size - 1}/{size}")
        self.end_headers()
        return offset

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the library's name
        """Nothing: `passages` tell it."""


def _within(address: str, network: str) -> bool:
    return ip_address(address) in ip_network(network)
