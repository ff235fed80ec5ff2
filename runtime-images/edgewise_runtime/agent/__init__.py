"""The device's side of the plan: which release to serve, where to get it, and what to tell the operator.

`run` is started by edgewise_runtime/commands.py beside the server. Nothing here is needed to answer a request: without
a network, an operator or an API server the device serves what it has.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgewise.contract.plan import PlanEscalation, PlanServing
from edgewise_runtime.agent.bell import heard
from edgewise_runtime.agent.cache import Cache
from edgewise_runtime.agent.clock import Clock
from edgewise_runtime.agent.counting import Counting
from edgewise_runtime.agent.deltas import Deltas
from edgewise_runtime.agent.fetch import Access, Fetcher
from edgewise_runtime.agent.fetch.addresses import AddressGuard
from edgewise_runtime.agent.fetch.local import Folders
from edgewise_runtime.agent.fetch.throttle import Throttle
from edgewise_runtime.agent.holds import Holds
from edgewise_runtime.agent.housekeeping import Housekeeping
from edgewise_runtime.agent.permission import Permission
from edgewise_runtime.agent.plans import Plans
from edgewise_runtime.agent.probation import Probation
from edgewise_runtime.agent.reporting import Reporter, Reporting, Subject
from edgewise_runtime.agent.spooling import Spooling
from edgewise_runtime.agent.stock import Stock
from edgewise_runtime.agent.supervision import keep_running
from edgewise_runtime.agent.switching import Device, Means, Switching
from edgewise_runtime.agent.trusting import Trust, demands
from edgewise_runtime.models import Models
from edgewise_runtime.settings import Settings, SettingsError
from edgewise_runtime.spool.sink import Way

if TYPE_CHECKING:
    from edgewise_runtime.server import Server


async def run(server: Server, models: Models, settings: Settings) -> None:
    """Follow the plan until cancelled; `models` answers what it holds all the while."""
    folder = Path(settings.cache_folder)
    plans = Plans(folder, Path(settings.plan_folder))
    cache, throttle = Cache(folder), Throttle(folder / "bandwidth")
    secrets, clock = Path(settings.secrets_folder), Clock(folder)
    holds = Holds(Path(settings.hold_file), settings.hold_limit, plans.folder, clock)
    device = Device(settings.node_name, settings.profile, folder, settings.tuning, secrets)
    stock = Stock(cache, _fetcher(settings, throttle), Deltas(server.metrics.delta_ended))
    trust = Trust(secrets, clock, demands(settings))
    switching = Switching(device, plans, Means(stock, Permission(clock, holds), trust), models)
    reporter = Reporter(settings.node_name, settings.pod_name, settings.profile, Path(settings.token_file))
    subject = Subject(switching.progress, models, server.access, server.targets, clock)
    reporting = Reporting(reporter, plans, subject)
    server.on_poke = reporting.wake
    server.take_holds(holds)
    await plans.start()
    await keep_running(
        {
            "plans": plans.watch,
            "serving options": lambda: _configure(server, plans, throttle),
            "switching": switching.run,
            "counting": Counting(settings.profile, plans, models, switching.progress).run,
            "probation": Probation(plans, models, switching.give_back).run,
            "holds": holds.run,
            "clock": clock.run,
            "accelerators": switching.accelerators.run,
            "reporting": reporting.run,
            "housekeeping": Housekeeping(device, plans, cache).run,
            "spool": Spooling(server, plans, settings, _way(settings)).run,
        }
    )


async def _configure(server: Server, plans: Plans, throttle: Throttle) -> None:
    """Hand the data plane and the downloads what concerns them, at each plan."""
    news = plans.bell.listen()
    configured: tuple[PlanServing, PlanEscalation | None] | None = None
    while True:
        plan = plans.current
        if plan is not None and (plan.serving, plan.escalation) != configured:
            configured = (plan.serving, plan.escalation)
            server.configure(*configured)
            throttle.rate = plan.serving.bandwidth
        await heard(news, None)


def _fetcher(settings: Settings, throttle: Throttle) -> Fetcher:
    access = Access(
        secrets=Path(settings.secrets_folder),
        allowed_addresses=_items(settings.allow_addresses),
        folders=Folders(settings.files_root),
    )
    try:
        return Fetcher(access, throttle)
    except ValueError as error:
        raise SettingsError(f"EDGEWISE_ALLOW_ADDRESSES: {error}; write 127.0.0.1 or 169.254.7.0/24") from error


def _way(settings: Settings) -> Way:
    """Examples go nowhere that models would not be fetched from."""
    guard = AddressGuard(_items(settings.allow_addresses))
    return Way(Path(settings.secrets_folder), guard.socket)


def _items(text: str) -> frozenset[str]:
    return frozenset(item.strip() for item in text.split(",") if item.strip())
