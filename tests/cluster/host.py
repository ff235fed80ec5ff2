"""What the cluster changes on the machine itself, and undoes: kernel settings, the bridge, forwarding, empty folders.

The previous state is written down before the first change, so that a later `down`, in another process, can restore it.
"""

import json
from pathlib import Path

from tests.cluster import paths
from tests.cluster.cgroups import create_root, remove_root
from tests.cluster.command import run, succeeds

BRIDGE = "ewbr0"
GATEWAY = "172.31.0.1"
# Folders that each node has to itself (see machine.py); they must exist to be mounted over.
PRIVATE_FOLDERS = tuple(
    Path(folder)
    for folder in (
        "/run/containerd",
        "/run/netns",
        "/var/lib/kubelet",
        "/var/log/pods",
        "/var/log/containers",
        "/var/lib/edgewise",
    )
)
# Six kubelets and their shims use more inotify instances than the usual 128.
_SETTINGS = {"net/ipv4/ip_forward": 1, "fs/inotify/max_user_instances": 8192, "fs/inotify/max_user_watches": 524288}
_RULES = (("-i", BRIDGE), ("-o", BRIDGE))


def prepare() -> None:
    """Makes the machine ready for nodes; keeps what is already so."""
    _remember()
    for name, value in _SETTINGS.items():
        file = Path("/proc/sys") / name
        if int(file.read_text()) < value:
            file.write_text(str(value))
    for folder in PRIVATE_FOLDERS:
        folder.mkdir(parents=True, exist_ok=True)
    create_root()
    _create_bridge()


def restore() -> None:
    """Undoes `prepare`; does nothing where nothing was done."""
    for rule in _RULES:
        while succeeds("iptables", "-D", "FORWARD", *rule, "-j", "ACCEPT"):
            pass
    if Path(f"/sys/class/net/{BRIDGE}").exists():
        run("ip", "link", "delete", BRIDGE)
    remove_root()
    _recall()


def _journal() -> Path:
    return paths.STATE / "host.json"


def _remember() -> None:
    if _journal().exists():
        return
    settings = {name: int((Path("/proc/sys") / name).read_text()) for name in _SETTINGS}
    absent = [str(folder) for folder in PRIVATE_FOLDERS if not folder.exists()]
    paths.STATE.mkdir(parents=True, exist_ok=True)
    _journal().write_text(json.dumps({"settings": settings, "absent": absent}))


def _recall() -> None:
    if not _journal().exists():
        return
    before = json.loads(_journal().read_text())
    for name, value in before["settings"].items():
        (Path("/proc/sys") / name).write_text(str(value))
    for folder in map(Path, before["absent"]):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    _journal().unlink()


def _create_bridge() -> None:
    if not Path(f"/sys/class/net/{BRIDGE}").exists():
        run("ip", "link", "add", BRIDGE, "type", "bridge")
        run("ip", "address", "add", f"{GATEWAY}/24", "dev", BRIDGE)
    run("ip", "link", "set", BRIDGE, "up")
    Path(f"/proc/sys/net/ipv4/conf/{BRIDGE}/send_redirects").write_text("0")
    for rule in _RULES:
        if not succeeds("iptables", "-C", "FORWARD", *rule, "-j", "ACCEPT"):
            run("iptables", "-I", "FORWARD", *rule, "-j", "ACCEPT")
