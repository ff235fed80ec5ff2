"""Our certificate authority: what is made, what is renewed, and that devices trust the server at every moment."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from edgewise.controller.pki import AUTHORITY_LIFE, SERVING_LIFE, Material, from_secret, renewed

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
HOSTS = ["edgewise.edge.svc", "edgewise.edge"]
DAY = timedelta(days=1)


def trusts(bundle: str, material: Material, now: datetime, host: str = HOSTS[0]) -> bool:
    """Whether a client that knows `bundle` accepts the server's certificate."""
    store = Store(x509.load_pem_x509_certificates(bundle.encode()))
    verifier = PolicyBuilder().store(store).time(now).build_server_verifier(x509.DNSName(host))
    try:
        verifier.verify(material.serving.certificate, [])
    except VerificationError:
        return False
    return True


def test_at_first_an_authority_and_a_certificate_are_made_for_every_host() -> None:
    material = renewed(None, HOSTS, NOW)
    assert all(trusts(material.bundle, material, NOW, host) for host in HOSTS)
    assert not trusts(material.bundle, material, NOW, "elsewhere.svc")


def test_a_device_whose_clock_is_behind_trusts_it_too() -> None:
    material = renewed(None, HOSTS, NOW)
    assert trusts(material.bundle, material, NOW - timedelta(minutes=59))


def test_nothing_is_made_anew_before_it_is_due() -> None:
    material = renewed(None, HOSTS, NOW)
    assert renewed(material, HOSTS, NOW + SERVING_LIFE * 0.66) == material


def test_the_certificate_is_renewed_at_two_thirds_of_its_life_under_the_same_authority() -> None:
    first = renewed(None, HOSTS, NOW)
    second = renewed(first, HOSTS, NOW + SERVING_LIFE * 0.67)
    assert second.authorities == first.authorities
    assert second.serving != first.serving
    assert trusts(first.bundle, second, NOW + SERVING_LIFE)


def test_another_host_gets_another_certificate() -> None:
    first = renewed(None, HOSTS, NOW)
    second = renewed(first, ["10.0.0.1", *HOSTS], NOW)
    assert second.authorities == first.authorities
    assert second.serving != first.serving


def test_a_new_authority_is_published_a_day_before_anything_is_signed_with_it() -> None:
    first = renewed(None, HOSTS, NOW)
    due = NOW + AUTHORITY_LIFE * 0.67
    published = renewed(first, HOSTS, due)
    assert len(published.authorities) == 2
    assert trusts(first.bundle, published, due), "devices that have not heard of it yet"
    assert renewed(published, HOSTS, due + DAY / 2) == published
    used = renewed(published, HOSTS, due + SERVING_LIFE)
    assert trusts(published.bundle, used, due + SERVING_LIFE)
    assert not trusts(first.bundle, used, due + SERVING_LIFE)


def test_over_twenty_years_every_device_that_heard_of_the_last_bundle_trusts_the_server() -> None:
    material = renewed(None, HOSTS, NOW)
    for day in range(0, 20 * 365, 5):
        now = NOW + day * DAY
        after = renewed(material, HOSTS, now)
        assert trusts(material.bundle, after, now), f"day {day}"
        assert len(after.authorities) <= 2
        material = after


def test_the_secret_holds_everything_and_gives_it_back() -> None:
    material = renewed(renewed(None, HOSTS, NOW), HOSTS, NOW + AUTHORITY_LIFE * 0.67)
    again = from_secret(material.to_secret())
    assert again is not None
    assert again.to_secret() == material.to_secret()
    assert renewed(again, HOSTS, NOW + AUTHORITY_LIFE * 0.67) == again


DAMAGED = {
    "empty": {},
    "no key": {"tls.key": ""},
    "text": {"ca.crt": "tea"},
    "a key of another": {"tls.key": renewed(None, HOSTS, NOW).to_secret()["tls.key"]},
    "an authority without its key": {"ca.key": ""},
    "base64": {"tls.crt": base64.b64encode(b"tea").decode()},
}


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_secret_is_made_anew(damage: dict[str, str]) -> None:
    texts = {**renewed(None, HOSTS, NOW).to_secret(), **damage} if damage else {}
    assert from_secret(texts) is None
