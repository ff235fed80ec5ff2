"""Requests a second of one core that does nothing else: the small MLP, where the server is most of the work."""

import contextlib

from tests.bench.figures import Figure, Report
from tests.bench.serving import floor, models, ours
from tests.bench.serving.clients import Connection, requests_per_second
from tests.bench.serving.messages import binary
from tests.bench.serving.processes import CLIENT
from tests.bench.serving.timing import over

ROUNDS = 5
LEARNING = 500  # requests before it counts: the server has to see that the model is quick


def saturation(report: Report) -> None:
    """wrk with 8 connections against our server and against an httptools server that runs the same model."""
    model = models.mlp()
    message = binary(model)
    with contextlib.ExitStack() as stack:
        servers = {
            "ours": stack.enter_context(ours.serving(model)),
            "echo": stack.enter_context(floor.serving("echo", model, message)),
        }
        for name, server in servers.items():
            report.settings[name] = server.settings
            with Connection(server.port) as connection:
                for _ in range(LEARNING):
                    connection.ask(message)
        rates: dict[str, list[float]] = {name: [] for name in servers}
        for number in range(ROUNDS):
            for name in sorted(servers, reverse=bool(number % 2)):
                rates[name].append(requests_per_second(servers[name].port, message, CLIENT))
    share = over(rates["ours"], rates["echo"])
    name = "requests/s saturated, MLP, one core / bare httptools server"
    report.add(Figure(name, share, "x", "more", 0.50, raw=rates))
    report.add(Figure("requests/s saturated, MLP, one core", rates["ours"], "1/s", "more"))
