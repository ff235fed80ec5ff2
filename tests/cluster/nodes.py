"""The fleet as data: which nodes there are, and by which labels each passes for the hardware it stands for.

The labels are those that NFD, GPU Feature Discovery and people put on such devices in the field. They are set through
the API, since a kubelet may not give itself labels of the kubernetes.io domains.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

EDGE_ROLE = "node-role.kubernetes.io/edge"
_DEVICE = "edgewise.dev/device"


@dataclass(frozen=True)
class NodeSpec:
    """One node; `index` gives its addresses: 172.31.0.(10+index), and pods in 10.244.(index).0/24."""

    name: str
    index: int
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """The node's address on the bridge."""
        return f"172.31.0.{10 + self.index}"

    @property
    def pod_network(self) -> str:
        """The network its pods have addresses in."""
        return f"10.244.{self.index}.0/24"


def _edge(name: str, index: int, **labels: str) -> NodeSpec:
    return NodeSpec(name, index, {EDGE_ROLE: "", "site": "lab", **labels})


FLEET = (
    _edge(
        "jetson-0",
        1,
        **{
            "nvidia.com/gpu.product": "Orin",
            "nvidia.com/gpu.present": "true",
            "feature.node.kubernetes.io/cpu-model.vendor_id": "NVIDIA",
            _DEVICE: "jetson-agx-orin",
        },
    ),
    _edge("coral-0", 2, **{"feature.node.kubernetes.io/usb-fe_1a6e_089a.present": "true"}),
    _edge(
        "nuc-0",
        3,
        **{
            "intel.feature.node.kubernetes.io/gpu": "true",
            "feature.node.kubernetes.io/pci-0300_8086.present": "true",
        },
    ),
    _edge("pi-0", 4, **{_DEVICE: "raspberry-pi-4"}),
    _edge("cpu-0", 5),
    NodeSpec("cloud-0", 6, {"edgewise.dev/tier": "cloud"}),
)
