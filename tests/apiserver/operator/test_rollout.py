"""A new version over a small fleet: real API server, real reports, the operator restarted in the middle."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from edgewise.cluster.client import Client
from tests.apiserver.operator.devices import Fleet, fleet
from tests.cluster import audit
from tests.cluster.apiserver import ApiServer

pytestmark = pytest.mark.apiserver
SOAK = 60.0
ROLLOUT = {"waves": [{"nodes": 1}, {"nodes": 3}], "gates": {"soak": "60s"}}


@pytest.fixture
async def served(with_kinds: ApiServer, client: Client, namespace: str) -> AsyncIterator[Fleet]:
    """Five devices that serve 1.0.0."""
    async with fleet(with_kinds, client, namespace, [f"pi-{i}" for i in range(5)], rollout=ROLLOUT) as made:
        await made.look()
        assert reason(await made.look(SOAK)) == ("True", "Serving")
        yield made


def reason(status: dict[str, Any]) -> tuple[str, str]:
    ready = next(one for one in status["conditions"] if one["type"] == "Ready")
    return ready["status"], ready["reason"]


async def test_a_new_version_goes_wave_by_wave_over_a_restart_of_the_operator(served: Fleet) -> None:
    await served.version("2.0.0")
    status = await served.look()
    assert (len(served.having("2.0.0")), status["rollout"]["wave"], status["rollout"]["waves"]) == (1, 1, 3)
    status = await served.look(SOAK)
    assert (len(served.having("2.0.0")), reason(status)) == (3, ("False", "Soaking"))
    first = served.having("2.0.0")
    await served.start()
    status = await served.look()
    assert (reason(status), status["nodes"]["updated"]) == (("False", "Listening"), 3)
    assert reason(await served.look(SOAK)) == ("False", "Soaking"), "and the waves go on where they were"
    assert (len(served.having("2.0.0")), first < served.having("2.0.0")) == (5, True)
    status = await served.look(SOAK)
    assert reason(status) == ("True", "Serving")
    assert status["release"]["stable"] == status["release"]["target"]
    assert "rollout" not in status


async def test_a_wave_is_one_write_beside_the_status_whatever_the_number_of_devices(served: Fleet, user: str) -> None:
    def writes() -> int:
        calls = audit.calls(served.api.audit_log, user=user)
        kinds = ("configmaps", "controllerrevisions", "daemonsets", "services", "pods", "nodes")
        return sum(
            n for call, n in calls.items() if call.verb in ("patch", "create", "delete") and call.resource in kinds
        )

    before = writes()
    await served.version("2.0.0")
    await served.look()
    for _ in range(3):
        await served.look(SOAK)
    assert len(served.having("2.0.0")) == 5
    # Three waves, the promotion, and the snapshot of the release.
    assert writes() - before == 5


async def test_a_bad_version_is_returned_from_rejected_and_remembered_over_a_restart(served: Fleet) -> None:
    served.broken.add("2.0.0")
    await served.version("2.0.0")
    status = await served.look()
    assert reason(status) == ("False", "ReleaseRejected")
    assert [name.partition("-")[0] for name in status["release"]["rejected"]] == ["2.0.0"]
    await served.look()
    assert served.having("2.0.0") == set()
    message = next(one["message"] for one in status["conditions"] if one["type"] == "Stalled")
    assert "no such operator" in message
    await served.start()
    assert reason(await served.look(SOAK)) == ("False", "ReleaseRejected")
    assert served.having("1.0.0") == {device.node for device in served.devices}
    await served.version("2.0.1")
    assert reason(await served.look(SOAK)) == ("False", "Soaking")
    assert len(served.having("2.0.1")) == 1
