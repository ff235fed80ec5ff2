"""The container runtime of one node: its configuration, and what is asked of it directly.

Asked directly, since a node whose link is cut still has containers to look at, and nobody else can reach them.
"""

import json
import uuid
from collections.abc import Sequence
from pathlib import Path

from tests.cluster import host
from tests.cluster.command import run, succeeds
from tests.cluster.machine import Machine

PAUSE_IMAGE = "localhost/pause:1"
HOST_REGISTRY = f"{host.GATEWAY}:5000"
"""A registry on the host, should there be one: nodes pull from it by plain HTTP."""
_CONFIG = """\
version = 2
root = "{root}"
state = "/run/containerd"
disabled_plugins = [{disabled}]
[grpc]
address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause}"
restrict_oom_score_adj = true  # without CAP_SYS_RESOURCE every sandbox fails otherwise
[plugins."io.containerd.grpc.v1.cri".registry]
config_path = "{registries}"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{cni}"
"""
_UNUSED_PLUGINS = ("btrfs", "aufs", "zfs", "devmapper", "native")


class Containerd:
    """The containerd of one machine, and its files on the machine's disk."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.config = machine.disk / "containerd.toml"
        self._loaded = machine.disk / "images.json"

    def configure(self) -> list[str]:
        """Writes the configuration; returns the command to run."""
        disk, spec = self.machine.disk, self.machine.spec
        cni = disk / "cni"
        cni.mkdir(parents=True, exist_ok=True)
        (cni / "10-edgewise.conflist").write_text(json.dumps(_network(spec.pod_network, disk / "addresses")))
        registry = disk / "registries" / HOST_REGISTRY
        registry.mkdir(parents=True, exist_ok=True)
        (registry / "hosts.toml").write_text(f'[host."http://{HOST_REGISTRY}"]\ncapabilities = ["pull", "resolve"]\n')
        disabled = ", ".join(f'"io.containerd.snapshotter.v1.{name}"' for name in _UNUSED_PLUGINS)
        root = disk / "containerd"
        self.config.write_text(
            _CONFIG.format(root=root, disabled=disabled, pause=PAUSE_IMAGE, cni=cni, registries=registry.parent)
        )
        return ["containerd", "--config", str(self.config), "--log-level", "warn"]

    def ready(self) -> bool:
        """Whether it answers."""
        return succeeds(*self._ctr("--connect-timeout", "1s", "version"))

    def load(self, archive: Path) -> None:
        """Imports an image archive (OCI or Docker format), unless this very file was imported before."""
        facts = archive.stat()
        key = f"{archive.name} {facts.st_size} {facts.st_mtime_ns}"
        loaded = json.loads(self._loaded.read_text()) if self._loaded.exists() else []
        if key not in loaded:
            run(*self._ctr("images", "import", archive))
            self._loaded.write_text(json.dumps([*loaded, key]))

    def container(self, pod: str, name: str, namespace: str = "default") -> str:
        """The id of the running container of that name in a pod. Raises `LookupError` when there is none."""
        labels = {"pod.name": pod, "container.name": name, "pod.namespace": namespace}
        wanted = ",".join(f'labels."io.kubernetes.{key}"=={value}' for key, value in labels.items())
        known = run(*self._ctr("containers", "list", "--quiet", wanted)).split()
        running = [line.split()[0] for line in run(*self._ctr("tasks", "list")).splitlines() if "RUNNING" in line]
        alive = [container for container in known if container in running]
        if not alive:
            raise LookupError(f"no container {name} of pod {namespace}/{pod} runs on {self.machine.spec.name}")
        # A pod that was deleted may still be ending beside its successor of the same name.
        return max(alive, key=self._created) if len(alive) > 1 else alive[0]

    def kill(self, container: str) -> None:
        """Kills the main process of a container, as the kernel does when memory runs out."""
        run(*self._ctr("tasks", "kill", "--signal", "SIGKILL", container))

    def execute(self, container: str, argv: Sequence[str]) -> str:
        """Standard output of a command run in a container."""
        return run(*self._ctr("tasks", "exec", "--exec-id", f"test-{uuid.uuid4().hex[:12]}", container, *argv))

    def _created(self, container: str) -> str:
        created: str = json.loads(run(*self._ctr("containers", "info", container)))["CreatedAt"]
        return created

    def _ctr(self, *arguments: object) -> list[object]:
        # From within the mounts of the machine: ctr and containerd share named pipes in /run/containerd.
        return self.machine.on_mounts(["ctr", "--namespace", "k8s.io", *arguments])


def _network(subnet: str, addresses: Path) -> dict[str, object]:
    """Each pod on a point-to-point wire: all traffic is routed, so Services work between pods of one node without the
    br_netfilter module, which a bridge would need."""
    wire = {
        "type": "ptp",
        "ipMasq": False,
        "ipam": {
            "type": "host-local",
            "dataDir": str(addresses),
            "ranges": [[{"subnet": subnet}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    host_ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "1.0.0", "name": "edgewise", "plugins": [wire, host_ports]}
