"""Runs a command where whatever it sends can be seen: a network of its own, with a way out that leads nowhere.

    unshare --net --mount python -m tests.runtime.quarantine python -c 'import socket; ...'

The command has loopback, an address, a default route and a name server; nothing ever answers. Where it serves, it is
asked a few questions over loopback. When standard input ends, so does the command, and what it sent is written out, one
packet a line. `quarantined` does all that from a test; needs root.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

_ROUTER, _NAME_SERVER = "192.0.2.254", "192.0.2.53"  # RFC 5737: addresses for documentation
_SETUP = f"""
link set lo up
link add out type veth peer name far
link set far up
addr add 192.0.2.1/24 dev out
link set out up
neigh replace {_ROUTER} lladdr 02:00:00:00:00:01 dev out nud permanent
neigh replace {_NAME_SERVER} lladdr 02:00:00:00:00:01 dev out nud permanent
route add default via {_ROUTER}
"""
_ALL_PROTOCOLS, _IPV4, _HEADER = 0x0003, b"\x08\x00", 14
_QUESTIONS = 20


@dataclass
class Quarantined:
    """A command in quarantine; `sent` fills while it runs."""

    process: asyncio.subprocess.Process
    sent: list[str] = field(default_factory=list)
    """One readable line for each packet that left."""
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    """All questions were answered."""
    first: asyncio.Event = field(default_factory=asyncio.Event)
    """A packet has left."""

    async def listen(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            kind, _, text = line.decode().strip().partition(" ")
            if kind == "sent":
                self.sent.append(text)
                self.first.set()
            elif kind == "answered":
                self.answered.set()

    async def end(self) -> list[str]:
        """Ends the command, lets it say farewell, and returns what it sent in all its life."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        await self.process.wait()
        return self.sent


@contextlib.asynccontextmanager
async def quarantined(*command: str, home: Path, model: str = "") -> AsyncIterator[Quarantined]:
    """`command` is a Python command line without the interpreter. `model`: it serves, and is asked this one.

    `home` is where it keeps consent and identities. Its environment is a device's, not ours: engines are quiet of
    themselves where they find CI=true, and where somebody has set ORT_DISABLE_TELEMETRY.
    """
    apart = ["unshare", "--net", "--mount", sys.executable, "-m", "tests.runtime.quarantine"]
    process = await asyncio.create_subprocess_exec(
        *apart, model, sys.executable, *command,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        cwd=Path(__file__).parents[2], env={"PATH": os.environ["PATH"], "HOME": str(home)},
    )  # fmt: skip
    it = Quarantined(process)
    listening = asyncio.ensure_future(it.listen())
    try:
        yield it
    finally:
        await it.end()
        await listening


def main(model: str, *command: str) -> None:
    """Inside the namespaces."""
    _make_network()
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_PROTOCOLS))
    packets.bind(("out", 0))
    packets.settimeout(0.2)
    ended = threading.Event()
    watching = threading.Thread(target=_watch, args=(packets, ended))
    watching.start()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    if model:
        _ask(child, model)
    sys.stdin.read()
    child.terminate()
    child.wait()
    ended.set()
    watching.join()


def _make_network() -> None:
    for scope in ("default", "all"):  # else the kernel itself looks for neighbours and routers
        Path(f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6").write_text("1")
    for line in _SETUP.split("\n"):
        if line:
            subprocess.run(["ip", *line.split()], check=True)
    with tempfile.NamedTemporaryFile("w", delete=False) as file:
        file.write(f"nameserver {_NAME_SERVER}\n")
    subprocess.run(["mount", "--bind", file.name, "/etc/resolv.conf"], check=True)


def _watch(packets: socket.socket, ended: threading.Event) -> None:
    """Prints what leaves; once more after the end, for what was on its way."""
    while True:
        last = ended.is_set()
        with contextlib.suppress(TimeoutError):
            while True:
                data, address = packets.recvfrom(65536)
                if address[2] == socket.PACKET_OUTGOING and data[12:14] == _IPV4:
                    print("sent", re.sub(rb"[^a-z.]+", b".", data[_HEADER:][20:]).decode(), flush=True)
        if last:
            return


def _ask(child: subprocess.Popen[str], model: str) -> None:
    assert child.stdout is not None
    port = next(match[1] for line in child.stdout if (match := re.search(r"localhost:(\d+)/", line)))
    body = b'{"inputs":[{"name":"x","datatype":"FP32","shape":[1,4],"data":[1,2,3,4]}]}'
    for _ in range(_QUESTIONS):
        url = f"http://127.0.0.1:{port}/v2/models/{model}/infer"
        with urllib.request.urlopen(url, data=body, timeout=30) as answer:
            assert answer.status == 200
    print("answered", _QUESTIONS, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
