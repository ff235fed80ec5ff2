"""`python -m tests.bench.ota [--only NAME,NAME]`: new versions over a fleet, into build/bench/ota.json."""

from tests.bench.command import measure
from tests.bench.figures import Report
from tests.cluster.locking import exclusive

HERE = "tests.bench.ota"
FIGURES = {  # name: function(report), imported when it is its turn
    "fleet": f"{HERE}.fleet:figures",
    "writes": f"{HERE}.writes:figures",
    "bad-releases": f"{HERE}.bad_releases:figures",
    "switching": f"{HERE}.switching:figures",
    "fetching": f"{HERE}.fetching:figures",
    "deltas": f"{HERE}.deltas:figures",
    "evidence": f"{HERE}.evidence:figures",
    "trust": f"{HERE}.trust:figures",
    "sealed": f"{HERE}.sealed:figures",
    "cluster": f"{HERE}.cluster:figures",
}


def main() -> None:
    with exclusive("bench-running"):
        measure(Report("ota"), FIGURES)


if __name__ == "__main__":
    main()
