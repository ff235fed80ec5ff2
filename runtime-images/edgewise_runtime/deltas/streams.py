"""Runs of bytes that belong together, such as one byte plane of many numbers: each coded as makes it smallest.

zstd spends at least one bit on a byte, and noise in a few weights is worth less. So a stream that is mostly zero goes
as a bit for each byte (zero or not; eight of them make one byte for zstd), then the bytes that are not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgewise_runtime.deltas.container import DeltaError

if TYPE_CHECKING:
    import zstandard

Bytes = NDArray[np.uint8]

STORED, ZSTD, SAME, SPARSE = range(4)
_BLOCK = 2**16
"""Bytes filled in at once: their places take eight times the memory."""
_SPARSE_SHARE = 0.15
"""Nonzero bytes up to which a mask pays: above, it saves little, and filling it in takes a device long."""


class Reader:
    """Walks through a body. DeltaError where it ends first."""

    def __init__(self, body: bytes) -> None:
        self._body = memoryview(body)
        self._at = 0

    def take(self, count: int) -> memoryview:
        piece = self._body[self._at : self._at + count]
        if len(piece) < count:
            raise DeltaError("corrupt", "a frame of the delta ends too early")
        self._at += count
        return piece

    def number(self) -> int:
        """LEB128, of at most 63 bits."""
        value = 0
        for shift in range(0, 63, 7):
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise DeltaError("corrupt", "a number in the delta is too long")

    def end(self) -> None:
        if self._at != len(self._body):
            raise DeltaError("corrupt", "a frame of the delta has more than belongs there")


def number(value: int) -> bytes:
    """LEB128."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def decoded(reader: Reader, size: int) -> Bytes:
    """The stream that comes next, of `size` bytes. DeltaError where it makes any other number of them."""
    coder = reader.take(1)[0]
    if coder == SPARSE:
        return _filled_in(reader, size)
    return _dense(reader, coder, size)


def _dense(reader: Reader, coder: int, size: int) -> Bytes:
    if coder == SAME:
        return np.broadcast_to(np.uint8(reader.take(1)[0]), size)
    if coder == STORED:
        return np.frombuffer(reader.take(size), np.uint8)
    if coder == ZSTD:
        return np.frombuffer(unpacked(reader.take(reader.number()), size), np.uint8)
    raise DeltaError("unknown", f"the delta has streams of kind {coder}, which this device does not know")


def _filled_in(reader: Reader, size: int) -> Bytes:
    mask = _dense(reader, reader.take(1)[0], (size + 7) // 8)
    stream = np.unpackbits(mask, count=size)
    values = _dense(reader, reader.take(1)[0], int(np.count_nonzero(stream)))
    at = 0
    for start in range(0, size, _BLOCK):
        some = stream[start : start + _BLOCK]
        places = np.flatnonzero(some.view(np.bool_))  # by number: by truth it takes a processor's guess for each byte
        some[places] = values[at : at + len(places)]
        at += len(places)
    return stream


def unpacked(packed: memoryview | bytes, size: int, dictionary: memoryview | None = None) -> bytes:
    """What zstd makes of it. What its own header claims is checked first: memory is taken for it."""
    import zstandard  # only where a model comes so

    try:
        if zstandard.get_frame_parameters(packed).content_size != size:
            raise DeltaError("corrupt", "a stream of the delta has another size than belongs there")
        known = zstandard.ZstdCompressionDict(dictionary, zstandard.DICT_TYPE_RAWCONTENT) if dictionary else None
        made = zstandard.ZstdDecompressor(dict_data=known).decompress(packed, max_output_size=size)
    except zstandard.ZstdError as error:
        raise DeltaError("corrupt", f"a stream of the delta does not decompress: {error}") from error
    if len(made) != size:
        raise DeltaError("corrupt", "a stream of the delta has another size than it claims")
    return made


def encoded(stream: Bytes, level: int) -> bytes:
    """The smallest of the ways."""
    ways = [_packed(stream, level)]
    where = stream != 0
    count = int(np.count_nonzero(where))
    if 0 < count <= len(stream) * _SPARSE_SHARE:
        ways.append(bytes([SPARSE]) + _packed(np.packbits(where), level) + _packed(stream[where], level))
    return min(ways, key=len)


def _packed(stream: Bytes, level: int) -> bytes:
    if len(stream) and not np.any(stream != stream[0]):
        return bytes([SAME, stream[0]])
    content = stream.tobytes()
    small = min((packed(content, parameters) for parameters in _ways(level, len(stream))), key=len)
    return min(bytes([ZSTD]) + number(len(small)) + small, bytes([STORED]) + content, key=len)


def packed(content: bytes, parameters: zstandard.ZstdCompressionParameters, dictionary: bytes = b"") -> bytes:
    """A zstd frame that says its size and nothing else."""
    import zstandard

    known = zstandard.ZstdCompressionDict(dictionary, zstandard.DICT_TYPE_RAWCONTENT) if dictionary else None
    return zstandard.ZstdCompressor(compression_params=parameters, dict_data=known).compress(content)


def _ways(level: int, size: int) -> list[zstandard.ZstdCompressionParameters]:
    """With matches; and all but without, for noise has short ones by chance that cost more than they save."""
    import zstandard

    usual = zstandard.ZstdCompressionParameters.from_level(level, source_size=size)
    noise = zstandard.ZstdCompressionParameters.from_level(
        19, source_size=size, strategy=zstandard.STRATEGY_BTOPT, min_match=6, hash_log=6, chain_log=6, search_log=1
    )
    return [usual, noise]
