"""Devices that should serve from another profile from now on go there one after the other, under load."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
import yaml

from edgewise.api.names import HOLD_PREFIX
from tests.cluster.nodes import EDGE_ROLE
from tests.e2e.conftest import cloud_client
from tests.stage import digits as numbers
from tests.stage import examples
from tests.stage.local_clients import on_every_device
from tests.stage.product import Product, is_ready

BETTER, BEST = "lab-box", "lab-box-half"
"""Profiles for every device. The second one is better yet, but runs nothing that the digits are built for."""

GRACE = timedelta(seconds=20)
"""For how long a pod that ends waits for its successor, less what it takes until Services know of that one."""


@pytest.fixture
def moving(digits: Product) -> Iterator[Product]:
    yield digits
    digits.kubectl("delete", "edgedeployment", "digits")
    digits.kubectl("delete", "deviceprofile", BETTER, BEST, "--ignore-not-found")


def test_a_better_profile_and_then_a_better_build_are_taken_by_one_device_at_a_time(moving: Product) -> None:
    with on_every_device(moving) as clients:
        clients["cloud-0"] = cloud_client(moving, "moves-client", moving.status()["url"])
        moving.kubectl.apply(profile(BETTER, 1000, "INT8"))
        course = until_all_are_on(moving, BETTER)
        assert course.fewest >= 4
        late = late_successors(moving, course)

        moving.kubectl.apply(profile(BEST, 2000, "FP16"))
        moving.kubectl.apply(with_half_precision())
        course = until_all_are_on(moving, BEST)
        assert course.fewest >= 4
        late |= late_successors(moving, course)
        examples.wait_version(moving, "1.1.0")
        for where, client in clients.items():
            client.wait_answered(client.answers().answered + 5)
            answers = client.stop()
            assert answers.failed == 0 or where in late, f"{where}: {answers.errors}"
            assert set(answers.versions) == {"1.0.0", "1.1.0"}, where
    assert not held(moving)
    assert "moves" not in moving.status()


@dataclass
class Course:
    """What was seen of a move."""

    fewest: int = 5
    """Devices that served at least."""
    told: dict[str, datetime] = field(default_factory=dict)
    """Node -> when its pod was told to end."""


def until_all_are_on(product: Product, name: str) -> Course:
    """Waits until every device serves from that profile, no other has a workload, and no pod answers on from before."""
    course = Course()

    def there() -> bool | None:
        pods = product.all_pods("digits")
        course.told |= {pod["spec"]["nodeName"]: told for pod in pods if (told := told_to_end(pod))}
        ready = {pod["spec"]["nodeName"]: labels(pod)["edgewise.dev/profile"] for pod in pods if stays(pod)}
        course.fewest = min(course.fewest, len(ready))
        return (len(ready) == 5 and set(ready.values()) == {name}) or None

    product.kubectl.wait(f"all devices serve from {name}", there, 180)
    product.kubectl.wait("the former workloads are gone", lambda: workloads(product) == {name} or None, 60)
    product.kubectl.wait("so are their pods", lambda: all(stays(pod) for pod in product.all_pods("digits")) or None, 60)
    return course


def told_to_end(pod: dict[str, Any]) -> datetime | None:
    """When; None: it was not."""
    about = pod["metadata"]
    if "deletionTimestamp" not in about:
        return None
    return datetime.fromisoformat(about["deletionTimestamp"]) - timedelta(seconds=about["deletionGracePeriodSeconds"])


def stays(pod: dict[str, Any]) -> bool:
    return is_ready(pod) and "deletionTimestamp" not in pod["metadata"]


def late_successors(product: Product, course: Course) -> set[str]:
    """Devices where the new pod served when the old one had ended, as on a machine that is busy with other things:
    clients that know no other device notice that. Of others nobody may."""
    pods = product.pods("digits")
    return {node for node, pod in pods.items() if became_ready(pod) - course.told[node] > GRACE}


def became_ready(pod: dict[str, Any]) -> datetime:
    ready = next(one for one in pod["status"]["conditions"] if one["type"] == "Ready")
    return datetime.fromisoformat(ready["lastTransitionTime"])


def held(product: Product) -> list[str]:
    """Nodes that are kept on some profile."""
    nodes = product.kubectl.get("nodes")["items"]
    return [node["metadata"]["name"] for node in nodes if any(key.startswith(HOLD_PREFIX) for key in labels(node))]


def workloads(product: Product) -> set[str]:
    """Profiles for which there is a DaemonSet."""
    ours = "app.kubernetes.io/instance=digits,edgewise.dev/role=runtime"
    return {labels(one)["edgewise.dev/profile"] for one in product.kubectl.get("daemonsets", "", "-l", ours)["items"]}


def profile(name: str, priority: int, precision: str) -> dict[str, Any]:
    """For all devices, and for one kind of build."""
    return {
        "apiVersion": "edgewise.dev/v1alpha1",
        "kind": "DeviceProfile",
        "metadata": {"name": name},
        "spec": {
            "priority": priority,
            "nodeSelectorTerms": [{"matchExpressions": [{"key": EDGE_ROLE, "operator": "Exists"}]}],
            "runtime": {"engine": "ONNXRuntime", "providers": ["CPUExecutionProvider"]},
            "variants": [{"format": "ONNX", "precision": precision}],
        },
    }


def with_half_precision() -> dict[str, Any]:
    """Digits 1.1.0 with a build more."""
    body: dict[str, Any] = yaml.safe_load(numbers.UPDATE.read_text())
    full = next(variant for variant in body["spec"]["variants"] if variant["name"] == "fp32")
    body["spec"]["variants"].append({**full, "name": "fp16", "precision": "FP16"})
    return body


def labels(body: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = body["metadata"].get("labels", {})
    return found
