"""`python -m tests.bench.serving [--only NAME,NAME]`: measures, prints the table, writes build/bench/serving.json.

A part of the figures is written to build/bench/partial/: build/bench/serving.json is always one whole run.
"""

import argparse
import os
import sys
import traceback
from collections.abc import Callable
from pkgutil import resolve_name

from tests.bench.figures import FOLDER, Report
from tests.bench.serving.processes import CLIENT, prioritised
from tests.cluster.locking import exclusive
from tests.cluster.progress import say

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
    wanted = _wanted()
    with exclusive("bench-running"), prioritised():
        _measure(wanted)


def _measure(wanted: list[str]) -> None:
    report, broken = Report("serving"), []
    report.settings["all"] = "each server kept to one core, its client to another, unless it says otherwise"
    for name in wanted or FIGURES:
        say(name)
        os.sched_setaffinity(0, {CLIENT})
        try:
            measure: Callable[[Report], None] = resolve_name(FIGURES[name])
            measure(report)
        except Exception:  # noqa: BLE001  a quarter of an hour of other figures must not be lost
            traceback.print_exc()
            broken.append(name)
    say(f"wrote {report.write(FOLDER / 'partial' if wanted else FOLDER)}")
    if broken:
        sys.exit(f"could not be measured: {', '.join(broken)}")


def _wanted() -> list[str]:
    """Empty: all."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.serving", description=str(__doc__).splitlines()[0])
    parser.add_argument("--only", default="", help=f"some of: {','.join(FIGURES)}")
    wanted = [name for name in parser.parse_args().only.split(",") if name]
    unknown = sorted(set(wanted) - set(FIGURES))
    if unknown:
        parser.error(f"no figure {', '.join(unknown)}; there are {', '.join(FIGURES)}")
    return wanted


if __name__ == "__main__":
    main()
