"""`python -m tests.bench.hybrid [--only NAME,NAME]`: help from the cloud, into build/bench/hybrid.json."""

from tests.bench.command import measure
from tests.bench.figures import Report
from tests.cluster.locking import exclusive

HERE = "tests.bench.hybrid"
FIGURES = {  # name: function(report), imported when it is its turn
    "accuracy": f"{HERE}.accuracy:figures",
    "calibration": f"{HERE}.calibration:figures",
    "faults": f"{HERE}.faults:figures",
    "bytes": f"{HERE}.sent_bytes:figures",
    "spool": f"{HERE}.spool:figures",
    "comparison": f"{HERE}.comparison:figures",
}


def main() -> None:
    with exclusive("bench-running"):
        measure(Report("hybrid"), FIGURES)


if __name__ == "__main__":
    main()
