"""What `python -m tests.bench.<name> [--only FIGURE,FIGURE]` does: measure in turns, print the table, write the JSON.

A part of the figures is written to build/bench/partial/: build/bench/<name>.json is always one whole run. What was
measured so far is there, too, should the run be ended.
"""

import argparse
import sys
import traceback
from collections.abc import Callable, Mapping
from pkgutil import resolve_name

from tests.bench.figures import FOLDER, Report
from tests.cluster.progress import say

PARTIAL = FOLDER / "partial"


def measure(report: Report, figures: Mapping[str, str], before_each: Callable[[], None] = lambda: None) -> None:
    """`figures`: {name: "module:function"}, imported when it is its turn and called with the report.

    One that breaks is told, and the others go on: a quarter of an hour of them must not be lost. Exits with 1 then."""
    wanted, broken = _wanted(report.name, figures), []
    names = wanted or list(figures)
    for number, name in enumerate(names, 1):
        say(f"{name} ({number} of {len(names)})")
        before_each()
        try:
            resolve_name(figures[name])(report)
        except Exception:  # noqa: BLE001  said above
            traceback.print_exc()
            broken.append(name)
        finally:
            report.save(PARTIAL)
    say(f"wrote {report.write(PARTIAL if wanted else FOLDER)}")
    if broken:
        sys.exit(f"could not be measured: {', '.join(broken)}")


def _wanted(bench: str, figures: Mapping[str, str]) -> list[str]:
    """Empty: all."""
    parser = argparse.ArgumentParser(prog=f"python -m tests.bench.{bench}")
    parser.add_argument("--only", default="", help=f"some of: {','.join(figures)}")
    wanted = [name for name in parser.parse_args().only.split(",") if name]
    unknown = sorted(set(wanted) - set(figures))
    if unknown:
        parser.error(f"no figure {', '.join(unknown)}; there are {', '.join(figures)}")
    return wanted
