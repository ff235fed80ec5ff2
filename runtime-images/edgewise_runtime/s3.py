"""S3 over any HTTP client: who we are, where an object is, and AWS Signature Version 4 for one request. Pure but for
reading the mounted Secret; the time is handed in. The spool puts examples with it, the agent gets models.

Source: docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, whose examples are in the tests. Why not
a library: docs/adr/20261121.spool.md.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from yarl import URL

NOTHING = hashlib.sha256(b"").hexdigest()
"""Of a request without a body."""
_ALGORITHM = "AWS4-HMAC-SHA256"
_TOLD = re.compile(rb"<Code>([^<]*)</Code>(?:\s*<Message>([^<]*)</Message>)?")


@dataclass(frozen=True)
class Keys:
    """Of an account, and where its bucket is."""

    access: str
    secret: str = field(repr=False)
    session: str = field(default="", repr=False)
    region: str = "us-east-1"


@dataclass(frozen=True)
class Account:
    """Keys, and the server that knows them."""

    keys: Keys
    endpoint: str

    def object(self, uri: str) -> URL:
        """Of `s3://bucket/key`: the bucket goes into the path, which every S3 understands."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return object_url(f"{self.endpoint.rstrip('/')}/{bucket}", key)


@dataclass(frozen=True)
class Call:
    """One request, before it is signed."""

    method: str
    url: URL
    """As from `object_url`."""
    headers: Mapping[str, str] = field(default_factory=dict)
    sha256: str = NOTHING
    """Of the body, hexadecimal."""


def account(secret: Path) -> Account:
    """From the keys of a mounted Secret, called as AWS' own programs call them. LookupError where it lacks some."""
    access, password = _value(secret, "AWS_ACCESS_KEY_ID"), _value(secret, "AWS_SECRET_ACCESS_KEY")
    if not access or not password:
        raise LookupError(f"Secret {secret.name} is missing, or lacks AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY")
    keys = Keys(access, password, _value(secret, "AWS_SESSION_TOKEN"), _value(secret, "AWS_REGION") or Keys.region)
    return Account(keys, _value(secret, "AWS_ENDPOINT_URL") or f"https://s3.{keys.region}.amazonaws.com")


def object_url(base: str, key: str) -> URL:
    """`base`/`key`, quoted exactly as S3 quotes before it checks a signature."""
    url = URL(base)
    path = "/".join(quote(part, safe="-_.~") for part in f"{url.path.rstrip('/')}/{key}".split("/"))
    return URL(f"{url.origin()}{path}", encoded=True)


def signed(call: Call, keys: Keys, now: datetime) -> dict[str, str]:
    """The headers of the call, and those that prove whose it is. `now` in UTC. Host is signed, too, and left to the
    client to send; what is added later, such as a Range, is not signed, and need not be."""
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    sent = {**call.headers, "x-amz-content-sha256": call.sha256, "x-amz-date": stamp}
    if keys.session:
        sent["x-amz-security-token"] = keys.session
    canonical = {name.lower(): value.strip() for name, value in {**sent, "host": _host(call.url)}.items()}
    names = ";".join(sorted(canonical))
    lines = [f"{name}:{canonical[name]}" for name in sorted(canonical)]
    request = "\n".join([call.method, call.url.raw_path, "", *lines, "", names, call.sha256])
    scope = f"{stamp[:8]}/{keys.region}/s3/aws4_request"
    text = "\n".join([_ALGORITHM, stamp, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = f"AWS4{keys.secret}".encode()
    for part in scope.split("/"):
        key = _mac(key, part)
    credential = f"Credential={keys.access}/{scope}, SignedHeaders={names}, Signature={_mac(key, text).hex()}"
    return {**sent, "Authorization": f"{_ALGORITHM} {credential}"}


def told(body: bytes) -> str:
    """Code and message of an error, as S3 says them; empty where `body` holds none."""
    found = _TOLD.search(body)
    parts = [part for part in found.groups() if part] if found else []
    return b": ".join(parts).decode(errors="replace").strip()


def _value(secret: Path, name: str) -> str:
    try:
        return (secret / name).read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""


def _mac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _host(url: URL) -> str:
    """As the Host header has it: without the port where it is the usual one."""
    host = url.host_subcomponent or ""
    return host if url.is_default_port() else f"{host}:{url.port}"
