"""Leaves nothing of a cluster behind, whatever state it was in: found by what is there, not by what should be.

Ends only processes from our records, and those in our own control groups.
"""

import shutil
from pathlib import Path

from tests.cluster import buildah, container, emulation, host, paths
from tests.cluster.cgroups import nodes_with_cgroups
from tests.cluster.machine import Machine
from tests.cluster.nodes import NodeSpec
from tests.cluster.process import Records


def teardown() -> None:
    """Ends all processes, and removes namespaces, links, control groups and files; safe to repeat."""
    nodes = (paths.STATE / "nodes").glob("*/daemons")
    for folder in (paths.STATE / "control-plane", paths.STATE / "relays", *nodes):
        Records(folder).stop(grace=0)
    for name in _machines():
        Machine(NodeSpec(name, index=0)).power_off()
    host.restore()
    container.release()
    buildah.release()
    emulation.release()
    for folder in (paths.STATE, paths.RUN):
        shutil.rmtree(folder, ignore_errors=True)


def leftovers() -> list[str]:
    """What a cluster has or has left on the machine; empty after `teardown`."""
    links = [path.name for path in Path("/sys/class/net").iterdir() if path.name.startswith("ew")]
    folders = [str(folder) for folder in (paths.STATE, paths.RUN) if folder.exists()]
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    mounted = [mount for mount in mounts if any(map(Path(mount).is_relative_to, (paths.STATE, paths.RUN)))]
    of_images = buildah.mounted() + container.leftovers() + emulation.leftovers()
    return links + folders + mounted + of_images + nodes_with_cgroups()


def _machines() -> set[str]:
    disks = {folder.name for folder in (paths.STATE / "nodes").glob("*")}
    return disks | set(nodes_with_cgroups())
