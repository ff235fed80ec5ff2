"""The door without a transport: who is let in, and what the mounted files have to do with it."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

import pytest

from edgewise.api.access import RateLimit
from edgewise_runtime.access import Access, Demands, Peer
from edgewise_runtime.errors import RateLimitedError, UnauthorizedError, UnavailableError
from edgewise_runtime.settings import Settings, SettingsError
from tests.runtime.agent.waiting import until
from tests.runtime.issuer import Issuer

pytestmark = pytest.mark.usefixtures("looking_often")
TOKEN = "0123456789abcdef0123456789abcdef"
LAN = Peer("192.0.2.7")
OTHER = Peer("192.0.2.8")
SLOW = RateLimit(requests_per_second=1, burst=2)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A mounted Secret with one client's token."""
    folder = tmp_path / "tokens" / "digits-clients"
    folder.mkdir(parents=True)
    (folder / "camera").write_text(TOKEN + "\n")
    return folder


def bearing(token: str) -> str:
    return f"Bearer {token}"


def test_without_demands_nobody_has_to_be_asked() -> None:
    access = Access()
    assert (access.open, access.ready, access.problem, access.tls()) == (True, True, "", None)
    access.admit(None, LAN)


def test_a_known_token_is_let_in_and_counted_by_its_clients_name(secret: Path) -> None:
    told: Counter[tuple[str, str]] = Counter()
    access = Access(Demands(tokens=secret), lambda client, result: told.update([(client, result)]))
    assert (access.open, access.ready) == (False, True)
    access.admit(bearing(TOKEN), LAN)
    assert told == {("camera", "admitted"): 1}


@pytest.mark.parametrize("header", [None, "", "Basic Y2FtZXJhOng=", TOKEN, bearing(TOKEN[:-1]), bearing(TOKEN + "0")])
def test_any_other_is_not_and_nothing_of_it_is_repeated(
    secret: Path, header: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told: Counter[tuple[str, str]] = Counter()
    access = Access(Demands(tokens=secret), lambda client, result: told.update([(client, result)]))
    with pytest.raises(UnauthorizedError) as refused:
        access.admit(header, LAN)
    assert told == {("", "unauthorized"): 1}
    assert TOKEN[:8] not in f"{refused.value} {caplog.text}"


def test_a_missing_secret_admits_nobody_and_the_client_is_not_told_which(tmp_path: Path) -> None:
    access = Access(Demands(tokens=tmp_path / "digits-clients"))
    assert not access.ready
    assert "digits-clients" in access.problem
    with pytest.raises(UnavailableError) as refused:
        access.admit(bearing(TOKEN), LAN)
    assert "digits-clients" not in str(refused.value)


def test_a_secret_without_one_usable_token_admits_nobody(secret: Path) -> None:
    (secret / "camera").write_text("1234")
    access = Access(Demands(tokens=secret))
    assert not access.ready
    assert "camera" in access.problem
    with pytest.raises(UnavailableError):
        access.admit(bearing("1234"), LAN)


async def test_a_token_is_replaced_without_a_restart_and_without_a_gap(secret: Path) -> None:
    access = Access(Demands(tokens=secret))
    access.start()
    fresh = TOKEN[::-1]
    (secret / "camera-next").write_text(fresh)
    await until(lambda: admitted(access, fresh), "the new token is known")
    assert admitted(access, TOKEN)
    (secret / "camera").unlink()
    await until(lambda: not admitted(access, TOKEN), "the old one is not")
    assert admitted(access, fresh)
    await access.close()


async def test_a_secret_that_is_taken_away_shuts_the_door_and_its_return_opens_it(secret: Path) -> None:
    access = Access(Demands(tokens=secret))
    problems: list[str] = []
    access.on_change = lambda: problems.append(access.problem)
    access.start()
    (secret / "camera").unlink()
    await until(lambda: not access.ready, "the door is shut")
    with pytest.raises(UnavailableError):
        access.admit(bearing(TOKEN), LAN)
    (secret / "camera").write_text(TOKEN)
    await until(lambda: access.ready, "it is open")
    await until(lambda: len(problems) == 2, "both changes were told")
    assert ["digits-clients" in problem for problem in problems] == [True, False]
    await access.close()


@pytest.mark.usefixtures("no_time_passes")
def test_each_client_has_a_rate_of_its_own_whatever_its_address(secret: Path) -> None:
    (secret / "gate").write_text(TOKEN[::-1])
    access = Access(Demands(tokens=secret))
    access.limit(SLOW)
    access.admit(bearing(TOKEN), LAN)
    access.admit(bearing(TOKEN), OTHER)
    with pytest.raises(RateLimitedError) as refused:
        access.admit(bearing(TOKEN), Peer("192.0.2.9"))
    assert refused.value.retry_after == 1
    access.admit(bearing(TOKEN[::-1]), LAN)


@pytest.mark.usefixtures("no_time_passes")
def test_where_nobody_has_a_name_the_address_counts() -> None:
    access = Access()
    access.limit(SLOW)
    assert not access.open
    for _ in range(2):
        access.admit(None, LAN)
    with pytest.raises(RateLimitedError):
        access.admit("Bearer of-anything-it-likes", LAN)
    access.admit(None, OTHER)


@pytest.mark.usefixtures("no_time_passes")
def test_guesses_are_slowed_down_and_cost_no_client_anything(secret: Path) -> None:
    access = Access(Demands(tokens=secret))
    access.limit(SLOW)
    for number in range(2):
        with pytest.raises(UnauthorizedError):
            access.admit(bearing(f"guess-number-{number:08}"), LAN)
    with pytest.raises(RateLimitedError):
        access.admit(bearing("guess-number-3-00000"), LAN)
    access.admit(bearing(TOKEN), LAN)


@pytest.mark.usefixtures("no_time_passes")
def test_a_rate_comes_and_goes_with_the_plan() -> None:
    access = Access()
    access.limit(RateLimit(requests_per_second=1))
    access.admit(None, LAN)
    with pytest.raises(RateLimitedError):
        access.admit(None, LAN)
    access.limit(RateLimit(requests_per_second=1))  # a newer plan that says the same forgives nothing
    with pytest.raises(RateLimitedError):
        access.admit(None, LAN)
    access.limit(None)
    assert access.open


def test_counting_stays_bounded_however_many_names_a_ca_signs(tmp_path: Path) -> None:
    issuer = Issuer()
    told: Counter[str] = Counter()
    access = Access(mutual(tmp_path, issuer), lambda client, result: told.update([client]))
    for number in range(1_000):
        access.admit(None, Peer("192.0.2.7", f"camera-{number}"))
    assert len(told) == 257
    assert told["other"] == 744


def test_where_certificates_are_demanded_a_connection_without_one_is_refused_whatever_the_transport_let_through(
    tmp_path: Path,
) -> None:
    access = Access(mutual(tmp_path, Issuer()))
    access.admit(None, Peer("192.0.2.7", "camera"))
    with pytest.raises(UnauthorizedError, match="client certificate"):
        access.admit(None, LAN)


def test_where_both_are_demanded_both_are_needed(tmp_path: Path, secret: Path) -> None:
    demands = mutual(tmp_path, Issuer())
    access = Access(Demands(secret, demands.certificate, demands.client_ca))
    for header, peer in ((bearing(TOKEN), LAN), (None, Peer("192.0.2.7", "camera"))):
        with pytest.raises(UnauthorizedError):
            access.admit(header, peer)
    access.admit(bearing(TOKEN), Peer("192.0.2.7", "camera"))


def test_settings_name_what_is_demanded() -> None:
    settings = Settings.from_environment(
        {
            "EDGEWISE_TOKENS_FOLDER": "/t",
            "EDGEWISE_CERTIFICATE_FOLDER": "/c",
            "EDGEWISE_CLIENT_CA_FILE": "/ca/ca.crt",
        }
    )
    assert Demands.of(settings) == Demands(Path("/t"), Path("/c"), Path("/ca/ca.crt"))
    assert not Demands.of(Settings())


def test_client_certificates_without_tls_are_a_mistake_that_is_named() -> None:
    with pytest.raises(SettingsError, match="EDGEWISE_CERTIFICATE_FOLDER"):
        Demands.of(Settings(client_ca_file="/ca.crt"))


def mutual(folder: Path, issuer: Issuer) -> Demands:
    """TLS on both sides."""
    (folder / "ca").mkdir()
    (folder / "ca" / "ca.crt").write_bytes(issuer.ca)
    return Demands(certificate=issuer.server().write(folder / "digits-tls"), client_ca=folder / "ca" / "ca.crt")


def admitted(access: Access, token: str) -> bool:
    try:
        access.admit(bearing(token), LAN)
    except (UnauthorizedError, UnavailableError):
        return False
    return True
