"""`python -m tests.bench.serving [--only NAME,NAME]`: the runtime against its rivals, into build/bench/serving.json."""

import os

from tests.bench.command import measure
from tests.bench.figures import Report
from tests.bench.serving.processes import CLIENT, prioritised
from tests.cluster.locking import exclusive

HERE = "tests.bench.serving"
FIGURES = {  # name: function(report), imported when it is its turn
    "bare": f"{HERE}.latency:bare",
    "health": f"{HERE}.health:health",
    "kserve": f"{HERE}.latency:kserve",
    "pytriton": f"{HERE}.latency:pytriton",
    "mlserver": f"{HERE}.latency:mlserver",
    "saturation": f"{HERE}.saturation:saturation",
    "grpc": f"{HERE}.protocols:grpc",
    "tuning": "tests.bench.scheduling:tuned",
    "batching": "tests.bench.scheduling:batching",
    "idle": f"{HERE}.consumption:idle",
    "memory": f"{HERE}.consumption:memory",
    "startup": f"{HERE}.startup:startup",
    "arm64": "tests.bench.arm64:startup",
    "overload": f"{HERE}.overload:overload",
    "pipeline": "tests.bench.pipeline:pipeline",
    "fuzz": f"{HERE}.fuzzing:fuzz",
}


def main() -> None:
    report = Report("serving")
    report.settings["all"] = "each server kept to one core, its client to another, unless it says otherwise"
    with exclusive("bench-running"), prioritised():
        measure(report, FIGURES, before_each=lambda: os.sched_setaffinity(0, {CLIENT}))


if __name__ == "__main__":
    main()
