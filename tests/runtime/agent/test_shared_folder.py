"""Two runtimes as two pods of a node run them, with one cache folder between them."""

from __future__ import annotations

from pathlib import Path

from edgewise.contract.plan import PlanServing
from tests.runtime.agent.devices import mount
from tests.runtime.agent.documents import plan, release, source
from tests.runtime.agent.fileserver import FileServer
from tests.runtime.agent.pods import pod
from tests.runtime.agent.tinymodels import scaling
from tests.runtime.agent.waiting import until

MODEL = scaling(2, padding=100_000)
CAP = PlanServing(bandwidth=200_000)


def home(root: Path, name: str, server: FileServer) -> Path:
    """Of a pod of a deployment of its own."""
    folder = root / name
    folder.mkdir()
    wanted = release(name, {"digits": source(server.add("/m", MODEL), MODEL)})
    mount(folder / "plan", plan(1, wanted, uid=name, serving=CAP))
    return folder


async def test_two_deployments_fetch_their_model_once_within_the_cap_of_their_plans(
    server: FileServer, tmp_path: Path
) -> None:
    one, two, cache = home(tmp_path, "one", server), home(tmp_path, "two", server), tmp_path / "cache"
    shared = {"EDGEWISE_CACHE_FOLDER": str(cache)}
    async with pod(one, **shared) as first, pod(two, **shared) as second:
        await until(lambda: first.served("one") and second.served("two"), "both serve")
    assert len(server.requests_for("/m")) == 1
    assert (cache / "bandwidth").stat().st_size == 8, "the cap was obeyed, by both out of one account"
    assert not list((cache / "partial").iterdir())
