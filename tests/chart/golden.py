"""What the chart makes of its default values, kept as a file so that a review shows the effect of every change.

python -m tests.chart.golden        # writes it anew, after a change that is meant
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.chart.helm import Helm
from tests.cluster.binaries import HELM_4

GOLDEN = Path(__file__).parent / "golden" / "default.yaml"


def rendered(helm: Helm) -> str:
    """The default manifests without the kinds (they have a drift check of their own) and without blank lines, in which
    the two helms differ."""
    text = helm.render("--set", "crds.enabled=false")
    return "".join(f"{line}\n" for line in text.splitlines() if line.strip())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        GOLDEN.write_text(rendered(Helm(HELM_4.path(), Path(home))))
