"""What `kubectl edgewise` tells a rollout, and what the operator and its devices make of it."""

from __future__ import annotations

import pytest
from kubernetes.config import kube_config
from typer.testing import CliRunner

from edgewise.cli.__main__ import app
from edgewise.cluster.client import Client
from tests.apiserver.operator.devices import Fleet, fleet
from tests.apiserver.operator.test_rollout import SOAK, reason
from tests.cluster.apiserver import ApiServer

pytestmark = pytest.mark.apiserver
ROLLOUT = {"waves": [{"nodes": 1}], "gates": {"soak": "60s"}}


def told(made: Fleet, verb: str, *more: str) -> str:
    """What the command says; it went well."""
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, [verb, "digits", "-n", made.namespace, *more])
    assert result.exit_code == 0, result.stderr
    return result.output


async def test_a_person_promotes_aborts_undoes_and_follows_again(
    with_kinds: ApiServer, client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(with_kinds.kubeconfig))
    async with fleet(with_kinds, client, namespace, ["pi-1", "pi-2"], rollout=ROLLOUT) as made:
        await made.look()
        await made.look(SOAK)
        await made.version("2.0.0")
        assert reason(await made.look()) == ("False", "Soaking")
        assert "wave 1 of 2 of 2.0.0-" in told(made, "promote")
        await made.look()
        assert made.having("2.0.0") == {device.node for device in made.devices}
        assert "goes to 1.0.0-" in told(made, "abort")
        await made.look()
        assert made.having("1.0.0") == {device.node for device in made.devices}
        told(made, "follow")
        for _ in range(3):
            status = await made.look(SOAK)
        assert (reason(status), status["release"]["stable"][:6]) == (("True", "Serving"), "2.0.0-")
        assert "goes to 1.0.0-" in told(made, "undo", "--to", "1.0.0")
        assert reason(await made.look()) == ("False", "Soaking"), "it goes by the waves, too"
        for _ in range(2):
            status = await made.look(SOAK)
        assert status["release"]["stable"].startswith("1.0.0-")
        rows = [line.split() for line in told(made, "history").splitlines()[1:]]
        assert [(row[3], " ".join(row[4:])) for row in rows] == [("2.0.0", "before"), ("1.0.0", "stable, pinned")]
