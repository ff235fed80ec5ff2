"""Whatever happens to a fleet, a rollout keeps its rules at every look; left in peace, it comes to an end."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.core.histories import EVENTS, Event, Ledger, begun, edited, passing
from tests.unit.core.rollouts import SOAK

thorough = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
ENDS = {("True", "Serving"), ("False", "ReleaseRejected"), ("False", "ReturnFailed")}
"""Promoted, or rejected and said so."""


def left_in_peace(ledger: Ledger) -> None:
    """Links are mended, devices report, nobody holds anything back; and as long as it takes."""
    ledger.made.mute.clear()
    ledger.made.heal(*ledger.made.nodes)
    edited()(ledger)
    for _ in range(10):
        ledger.look()
        passing(2 * SOAK)(ledger)
    ledger.look()


@thorough
@given(st.lists(EVENTS, max_size=14))
def test_every_history_keeps_the_rules_and_ends_promoted_or_rejected(events: list[Event]) -> None:
    ledger = begun()
    for event in events:
        event(ledger)
        ledger.look()
    left_in_peace(ledger)
    assert ledger.made.ready in ENDS, ledger.made.status["conditions"][0]["message"]
    before = ledger.made.deployment, dict(ledger.made.children)
    ledger.look(1)
    assert (ledger.made.deployment, ledger.made.children) == before
