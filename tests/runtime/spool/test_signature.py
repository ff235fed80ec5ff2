"""Signatures as Amazon publishes them; a real S3 server checks ours in test_sink_s3.py."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from edgewise_runtime.s3 import Call, Keys, object_url, signed

# "Example: PUT Object" of docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
KEYS = Keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
HEADERS = {"Date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"}
CONTENT = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
THEN = datetime(2013, 5, 24, tzinfo=timezone.utc)
PUBLISHED = "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"


def test_a_put_is_signed_as_amazon_published_it() -> None:
    url = object_url("https://examplebucket.s3.amazonaws.com", "test$file.text")
    sent = signed(Call("PUT", url, HEADERS, CONTENT), KEYS, THEN)
    assert sent["Authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
        f"SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class, Signature={PUBLISHED}"
    )
    assert sent["x-amz-date"] == "20130524T000000Z"


def test_a_session_token_is_sent_and_signed() -> None:
    url = object_url("https://s3.amazonaws.com/bucket", "key")
    sent = signed(Call("PUT", url, {}, CONTENT), Keys("a", "b", "temporary"), THEN)
    assert sent["x-amz-security-token"] == "temporary"
    assert "x-amz-security-token" in sent["Authorization"]


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://s3.example", "https://s3.example/k.npz"),
        ("https://s3.example/bucket/", "https://s3.example/bucket/k.npz"),
        ("http://s3.example:9000/bucket/hard ones", "http://s3.example:9000/bucket/hard%20ones/k.npz"),
        ("https://s3.example/b/a+b=c", "https://s3.example/b/a%2Bb%3Dc/k.npz"),
        ("https://[fd00::5]:9000/b", "https://[fd00::5]:9000/b/k.npz"),
    ],
)
def test_addresses_are_quoted_as_s3_does(base: str, url: str) -> None:
    assert str(object_url(base, "k.npz")) == url


def test_keys_are_never_shown() -> None:
    assert KEYS.secret not in repr(KEYS)
