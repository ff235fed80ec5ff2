"""What serving adds to the model, on one connection: over a bare socket, over session.run, against the others."""

import contextlib
from functools import partial

from tests.bench.figures import Figure, Report
from tests.bench.serving import floor, models, ours, rivals
from tests.bench.serving.clients import Connection
from tests.bench.serving.messages import Message, binary, plain
from tests.bench.serving.processes import Contestant
from tests.bench.serving.timing import Samples, interleaved, minus, over, share, timed

ROUNDS = 15


def bare(report: Report) -> None:
    """A picture in binary: served, over a socket that parses nothing, and without any server."""
    for model, each in ((models.cnn(), 20), (models.average(), 60)):
        message = binary(model)
        with contextlib.ExitStack() as stack:
            contestants = {
                "ours": _asked(stack, stack.enter_context(ours.serving(model)), message, report, "ours"),
                "blocking": _asked(
                    stack, stack.enter_context(floor.serving("blocking", model, message)), message, report, "blocking"
                ),
                "raw": stack.enter_context(floor.raw_samples(model, message)),
            }
            p50 = interleaved(contestants, ROUNDS, each)
        report.settings["raw"] = floor.SETTINGS["raw"]
        size = f"602 KB, {model.name}"
        added = minus(p50["ours"], p50["blocking"])
        report.add(Figure(f"served p50 minus bare blocking socket ({size})", added, "ms", limit=0.15, raw=p50))
        if model.name == "cnn":
            ratio = over(p50["ours"], p50["raw"])
            report.add(Figure(f"served p50 / session.run ({size})", ratio, "x", limit=1.08, raw=p50))


def kserve(report: Report) -> None:
    """The faster of its two encodings counts; ours is asked in binary."""
    for model, each, limit in ((models.mlp(), 60, 0.20), (models.cnn(), 8, 0.05)):
        encodings = {"binary": binary(model), "JSON": plain(model)}
        with contextlib.ExitStack() as stack:
            rival = stack.enter_context(rivals.kserve(model))
            own = stack.enter_context(ours.serving(model))
            contestants = {"ours": _asked(stack, own, encodings["binary"], report, "ours")}
            for name, message in encodings.items():
                contestants[f"kserve {name}"] = _asked(stack, rival, message, report, "kserve")
            contestants["raw"] = stack.enter_context(floor.raw_samples(model, encodings["binary"]))
            p50 = interleaved(contestants, ROUNDS, each)
        best = [min(pair) for pair in zip(p50["kserve binary"], p50["kserve JSON"], strict=True)]
        ratio = share(minus(p50["ours"], p50["raw"]), minus(best, p50["raw"]))
        report.add(Figure(f"overhead over session.run, ours / KServe ({model.name})", ratio, "x", limit=limit, raw=p50))


def pytriton(report: Report) -> None:
    """Binary, both."""
    for model, each in ((models.mlp(), 40), (models.cnn(), 8)):
        message = binary(model)
        with contextlib.ExitStack() as stack:
            rival, own = stack.enter_context(rivals.pytriton(model)), stack.enter_context(ours.serving(model))
            contestants = {
                "ours": _asked(stack, own, message, report, "ours"),
                "pytriton": _asked(stack, rival, message, report, "pytriton"),
                "raw": stack.enter_context(floor.raw_samples(model, message)),
            }
            p50 = interleaved(contestants, ROUNDS, each)
        ratio = share(minus(p50["ours"], p50["raw"]), minus(p50["pytriton"], p50["raw"]))
        report.add(
            Figure(f"overhead over session.run, ours / PyTriton ({model.name})", ratio, "x", limit=0.15, raw=p50)
        )


def mlserver(report: Report) -> None:
    """JSON, both: MLServer has no binary extension."""
    for model, each in ((models.mlp(), 60), (models.cnn(), 8)):
        message = plain(model)
        with contextlib.ExitStack() as stack:
            rival, own = stack.enter_context(rivals.mlserver(model)), stack.enter_context(ours.serving(model))
            contestants = {
                "ours JSON": _asked(stack, own, message, report, "ours"),
                "mlserver JSON": _asked(stack, rival, message, report, "mlserver"),
                "raw": stack.enter_context(floor.raw_samples(model, binary(model))),
            }
            p50 = interleaved(contestants, ROUNDS, each)
        ratio = share(minus(p50["ours JSON"], p50["raw"]), minus(p50["mlserver JSON"], p50["raw"]))
        report.add(
            Figure(f"overhead over session.run, ours / MLServer, JSON ({model.name})", ratio, "x", limit=0.40, raw=p50)
        )


def _asked(stack: contextlib.ExitStack, contestant: Contestant, message: Message, report: Report, name: str) -> Samples:
    """Over a connection of its own; notes how the contestant was set up."""
    report.settings[name] = contestant.settings
    connection = stack.enter_context(Connection(contestant.port))
    return timed(partial(connection.ask, message))
