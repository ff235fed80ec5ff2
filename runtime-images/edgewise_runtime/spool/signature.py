"""AWS Signature Version 4 for one PUT of known content: all that S3 asks for beyond HTTP. Pure; the time is handed in.

Source: docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, whose example is in the tests. Why not a
library: docs/adr/20261121.spool.md.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

from yarl import URL

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True)
class Keys:
    """Of an account, and where its bucket is."""

    access: str
    secret: str = field(repr=False)
    session: str = field(default="", repr=False)
    region: str = "us-east-1"


def object_url(base: str, key: str) -> URL:
    """`base`/`key`, quoted exactly as S3 quotes before it checks a signature."""
    url = URL(base)
    path = "/".join(quote(part, safe="-_.~") for part in f"{url.path.rstrip('/')}/{key}".split("/"))
    return URL(f"{url.origin()}{path}", encoded=True)


def signed(url: URL, headers: Mapping[str, str], sha256: str, keys: Keys, now: datetime) -> dict[str, str]:
    """`headers`, and those that prove whose PUT of content `sha256` (hexadecimal) to `url` it is.

    `url` as from `object_url`; `now` in UTC. Host is signed, too, and left to the client to send."""
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    sent = {**headers, "x-amz-content-sha256": sha256, "x-amz-date": stamp}
    if keys.session:
        sent["x-amz-security-token"] = keys.session
    canonical = {name.lower(): value.strip() for name, value in {**sent, "host": _host(url)}.items()}
    names = ";".join(sorted(canonical))
    lines = [f"{name}:{canonical[name]}" for name in sorted(canonical)]
    request = "\n".join(["PUT", url.raw_path, "", *lines, "", names, sha256])
    scope = f"{stamp[:8]}/{keys.region}/s3/aws4_request"
    text = "\n".join([_ALGORITHM, stamp, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = f"AWS4{keys.secret}".encode()
    for part in scope.split("/"):
        key = _mac(key, part)
    credential = f"Credential={keys.access}/{scope}, SignedHeaders={names}, Signature={_mac(key, text).hex()}"
    return {**sent, "Authorization": f"{_ALGORITHM} {credential}"}


def _mac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _host(url: URL) -> str:
    """As the Host header has it: without the port where it is the usual one."""
    host = url.host_subcomponent or ""
    return host if url.is_default_port() else f"{host}:{url.port}"
