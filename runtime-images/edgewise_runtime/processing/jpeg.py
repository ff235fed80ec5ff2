"""How often a JPEG would be decoded over and over. Called by pictures.py, before a decoder sees the bytes.

A progressive JPEG draws all of its pixels once for each scan, and a scan may be 31 bytes long: a megabyte of
them keeps a decoder busy for minutes. Programs that write such pictures make ten scans.
"""

from __future__ import annotations

import re

_SCAN, _END = b"\xda", b"\xd9"
_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd7\xff])", re.DOTALL)
"""One that is followed by its length. Of the others \\x00 is a byte of pixels; \\x01 and \\xd0 to \\xd7 stand alone."""


def scans(raw: bytes, most: int) -> int:
    """Of the first picture in `raw`, whatever stands in its comments or behind its end; counted up to `most` + 1."""
    count, at = 0, 2
    while count <= most and (marker := _MARKER.search(raw, at)) and marker[1] != _END:
        count += marker[1] == _SCAN
        at = marker.end() + int.from_bytes(raw[marker.end() : marker.end() + 2], "big")
    return count
