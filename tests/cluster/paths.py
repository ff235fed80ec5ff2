"""Where the harness keeps things: what is costly to make in a cache, what belongs to a running cluster apart from it.

State and run folders have short, fixed names: the path of a unix socket has at most 108 bytes, and one machine holds
one cluster.
"""

import os
from pathlib import Path

STATE = Path("/var/lib/edgewise-cluster")
RUN = Path("/run/edgewise-cluster")
HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent


def cache() -> Path:
    """The folder of built binaries and images, shared by every clone of this repository on the machine."""
    return Path(os.environ.get("EDGEWISE_CACHE") or Path.home() / ".cache" / "edgewise")
