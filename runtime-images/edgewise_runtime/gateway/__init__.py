"""A gateway: the runtime without a model. It stands in for a deployment's devices by handing requests to the targets.

`run` is started by edgewise_runtime/commands.py beside the server. The data plane, its doors and its metrics are those
of a device; only the models are elsewhere (session.py), and what they take and give is asked of the targets
(scouting.py). It follows the same plan as the devices, and reports, so that a newer plan reaches it as quickly.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgewise_runtime.agent.plans import Plans
from edgewise_runtime.agent.progress import Progress
from edgewise_runtime.agent.reporting import Reporter, Reporting, Subject
from edgewise_runtime.agent.supervision import keep_running
from edgewise_runtime.gateway.scouting import Scouting
from edgewise_runtime.models import Models
from edgewise_runtime.settings import Settings

if TYPE_CHECKING:
    from edgewise_runtime.server import Server


async def run(server: Server, models: Models, settings: Settings) -> None:
    """Follow the plan until cancelled; `models` holds what the targets say they have."""
    plans = Plans(Path(settings.cache_folder), Path(settings.plan_folder))
    reporter = Reporter(settings.node_name, settings.pod_name, "", Path(settings.token_file))
    reporting = Reporting(reporter, plans, Subject(Progress(), models, server.access, server.targets))
    server.on_poke = reporting.wake
    await plans.start()
    await keep_running(
        {"plans": plans.watch, "scouting": Scouting(server, models, plans).run, "reporting": reporting.run}
    )
