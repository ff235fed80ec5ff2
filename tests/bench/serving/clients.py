"""Clients that cost next to nothing: a blocking socket for latency, wrk for saturation."""

import re
import socket
import tempfile
from pathlib import Path
from types import TracebackType

from tests.bench.serving.messages import Message
from tests.cluster.command import run

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LUA = """
local file = io.open("{body}", "rb")
wrk.method, wrk.path, wrk.body = "POST", "{path}", file:read("*a")
file:close()
{headers}
local threads = {{}}
function setup(thread) table.insert(threads, thread) end
function init(args) bad = 0 end
function response(status) if status ~= 200 then bad = bad + 1 end end
function done(summary, latency, requests)
  local bad = 0
  for _, thread in ipairs(threads) do bad = bad + thread:get("bad") end
  local failed = bad + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  print("RESULT " .. summary.requests / summary.duration * 1e6 .. " " .. failed)
end
"""


class Connection:
    """One keep-alive connection."""

    def __init__(self, port: int, timeout: float = 60.0) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(2**22)

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._socket.close()

    def ask(self, message: Message) -> bytes:
        """The body of a 200; RuntimeError with what came otherwise."""
        self._socket.sendall(message.raw)
        view, filled, end = memoryview(self._buffer), 0, -1
        while end < 0:
            filled += self._more(view[filled:])
            end = self._buffer.find(b"\r\n\r\n", 0, filled)
        length = _LENGTH.search(self._buffer, 0, end)
        if length is None:
            raise RuntimeError(f"an answer without a length: {bytes(self._buffer[:end])!r}")
        size = end + 4 + int(length[1])
        while filled < size:
            filled += self._more(view[filled:])
        body = bytes(view[end + 4 : size])
        if not self._buffer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{bytes(self._buffer[:end])!r}: {body[:500]!r}")
        return body

    def _more(self, room: memoryview) -> int:
        count = self._socket.recv_into(room)
        if not count:
            raise ConnectionError("the server closed the connection")
        return count


def requests_per_second(port: int, message: Message, core: int, seconds: int = 3) -> float:
    """wrk, one thread on `core`, eight connections. RuntimeError where one answer was no 200."""
    start, _, body = message.raw.partition(b"\r\n\r\n")
    line, *headers = start.decode().split("\r\n")
    given = [header.split(": ", 1) for header in headers if not header.startswith(("Host", "Content-Length"))]
    with tempfile.TemporaryDirectory() as folder:
        payload, script = Path(folder, "body"), Path(folder, "script.lua")
        payload.write_bytes(body)
        lines = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in given)
        script.write_text(_LUA.format(body=payload, path=line.split()[1], headers=lines))
        url = f"http://127.0.0.1:{port}"
        said = run("taskset", "-c", core, "wrk", "-t1", "-c8", f"-d{seconds}s", "-s", script, url)
    rate, failed = said.rpartition("RESULT ")[2].split()
    if float(failed):
        raise RuntimeError(f"wrk: {failed} requests failed\n{said}")
    return float(rate)
