"""Collects hard examples from devices: PUT /<sha256>.npz, each kept once. `python collector.py FOLDER [PORT]`"""

import hashlib
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

NAME = re.compile(r"/([0-9a-f]{64})\.npz")
LARGEST = 2**25
FOLDER = Path(sys.argv[1])


class Collector(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        size = int(self.headers.get("Content-Length", -1))
        if not 0 <= size <= LARGEST:
            self.close_connection = True
            return self.answer(413)
        return self.answer(keep(self.path, self.rfile.read(size)))

    def do_GET(self) -> None:
        self.answer(200, "\n".join(sorted(file.name for file in FOLDER.glob("*.npz"))))

    def answer(self, status: int, text: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


def keep(path: str, content: bytes) -> int:
    """The status to answer with."""
    name = NAME.fullmatch(path)
    if name is None:
        return 404
    if hashlib.sha256(content).hexdigest() != name[1]:
        return 400  # damaged on the way: the device sends it again
    file = FOLDER / path[1:]
    if file.exists():
        return 412  # here already: an answer was lost
    file.with_suffix(".part").write_bytes(content)
    file.with_suffix(".part").rename(file)
    return 201


if __name__ == "__main__":
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 8080
    ThreadingHTTPServer(("", port), Collector).serve_forever()
