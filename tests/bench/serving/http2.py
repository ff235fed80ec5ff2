"""A gRPC client that costs next to nothing: a blocking socket and frames made beforehand, as clients.py is for HTTP."""

import socket
import struct
from types import TracebackType

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY, _WINDOW = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _ACK, _END_HEADERS = 1, 1, 4
_TABLE_SIZE, _INITIAL_WINDOW, _MAX_FRAME = 1, 4, 5
_NO_TABLE = b"\x20"  # RFC 7541, 4.2: what an encoder says first when its table may have no room any more
_ROOM = 2**30  # window of what the server may send
_JOINED = 16 * 1024  # bytes up to which one copy is cheaper than a list of pieces


class GrpcConnection:
    """One HTTP/2 connection, one call of one method at a time."""

    def __init__(self, port: int, method: str, timeout: float = 60.0) -> None:
        """`method`: such as /inference.GRPCInferenceService/ModelInfer."""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._view = memoryview(bytearray(2**22))
        self._start = self._end = 0
        self._headers = _literals(
            {":method": "POST", ":scheme": "http", ":path": method, ":authority": "bench"}
            | {"content-type": "application/grpc", "te": "trailers"}
        )
        self._said = b""  # of the next headers' encoding
        self._stream = -1
        self._frame_limit, self._stream_window = 16384, 65535
        self._window = 65535  # of the connection
        self._left = 0  # of the stream's window
        self._received = 0  # bytes received since the server's window was opened again
        settings = struct.pack("!HIHI", _INITIAL_WINDOW, _ROOM, _MAX_FRAME, 2**24 - 1)
        update = struct.pack("!I", _ROOM)
        self._socket.sendall(_PREFACE + _frame(_SETTINGS, 0, 0, settings) + _frame(_WINDOW, 0, 0, update))

    def __enter__(self) -> "GrpcConnection":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._socket.close()

    def ask(self, message: bytes) -> bytes:
        """The answer's message; RuntimeError where the call ended without one."""
        self._stream += 2
        self._left = self._stream_window
        self._send([memoryview(struct.pack("!BI", 0, len(message))), memoryview(message)])
        answer = bytearray()
        while True:
            kind, flags, stream, payload = self._next()
            if stream != self._stream:
                continue
            if kind == _DATA:
                answer += payload
            elif kind == _RESET:
                raise RuntimeError("the server reset the stream")
            if kind in (_DATA, _HEADERS) and flags & _END_STREAM:
                break
        if len(answer) < 5:
            raise RuntimeError("the call failed")
        self._received += len(answer)
        if self._received > _ROOM // 2:
            self._socket.sendall(_frame(_WINDOW, 0, 0, struct.pack("!I", self._received)))
            self._received = 0
        return bytes(answer[5:])

    def _send(self, pieces: list[memoryview]) -> None:
        """In as few writes as the server's windows allow, and without a copy."""
        out: list[bytes | memoryview] = [_frame(_HEADERS, _END_HEADERS, self._stream, self._said + self._headers)]
        self._said = b""
        left = sum(map(len, pieces))
        while left:
            size = min(left, self._frame_limit, self._window, self._left)
            if not size:
                self._write(out)
                out = []
                self._next()
                continue
            left -= size
            self._window -= size
            self._left -= size
            out.append(_frame_head(_DATA, 0 if left else _END_STREAM, self._stream, size))
            while size:
                part, pieces[0] = pieces[0][:size], pieces[0][size:]
                out.append(part)
                size -= len(part)
                if not pieces[0]:
                    pieces.pop(0)
        self._write(out)

    def _write(self, pieces: list[bytes | memoryview]) -> None:
        if sum(map(len, pieces)) < _JOINED:
            self._socket.sendall(b"".join(pieces))
            return
        views = [memoryview(piece) for piece in pieces]
        while views:
            sent = self._socket.sendmsg(views[:512])
            while views and sent >= len(views[0]):
                sent -= len(views.pop(0))
            if views:
                views[0] = views[0][sent:]

    def _next(self) -> tuple[int, int, int, memoryview]:
        """(type, flags, stream, payload) of the next frame; what concerns the connection is seen to on the way."""
        head = self._take(9)
        size, kind, flags, stream = int.from_bytes(head[:3], "big"), head[3], head[4], int.from_bytes(head[5:9], "big")
        payload = self._take(size)
        if kind == _WINDOW:
            more = int.from_bytes(payload, "big")
            if stream == 0:
                self._window += more
            elif stream == self._stream:
                self._left += more
        elif kind == _SETTINGS and not flags & _ACK:
            self._settle(payload)
        elif kind == _PING and not flags & _ACK:
            self._socket.sendall(_frame(_PING, _ACK, 0, bytes(payload)))
        elif kind == _GOAWAY:
            raise ConnectionError("the server asks to connect again")
        return kind, flags, stream, payload

    def _settle(self, payload: memoryview) -> None:
        for key, value in struct.iter_unpack("!HI", payload):
            if key == _TABLE_SIZE and not value:
                self._said = _NO_TABLE
            elif key == _INITIAL_WINDOW:
                self._left += value - self._stream_window
                self._stream_window = value
            elif key == _MAX_FRAME:
                self._frame_limit = value
        self._socket.sendall(_frame(_SETTINGS, _ACK, 0, b""))

    def _take(self, size: int) -> memoryview:
        view = self._view
        if self._start == self._end:
            self._start = self._end = 0
        while self._end - self._start < size:
            if self._start + size > len(view) or self._end == len(view):
                kept = bytes(view[self._start : self._end])
                view[: len(kept)] = kept
                self._start, self._end = 0, len(kept)
            count = self._socket.recv_into(view[self._end :])
            if not count:
                raise ConnectionError("the server closed the connection")
            self._end += count
        self._start += size
        return view[self._start - size : self._start]


def _literals(headers: dict[str, str]) -> bytes:
    """HPACK without its tables."""
    parts = []
    for name, value in headers.items():
        parts += [b"\0", bytes([len(name)]), name.encode(), bytes([len(value)]), value.encode()]
    return b"".join(parts)


def _frame_head(kind: int, flags: int, stream: int, size: int) -> bytes:
    return size.to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big")


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return _frame_head(kind, flags, stream, len(payload)) + payload
