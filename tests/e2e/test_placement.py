"""Every device gets its profile and the build that fits it, and the status says why."""

from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.cli.fleet import rows
from tests.stage.product import Product

EXPECTED = {
    "jetson-0": "jetson-agx-orin",
    "coral-0": "generic-amd64",  # the digits have no build for an Edge TPU: the same node's CPU serves them
    "nuc-0": "intel-nuc",
    "pi-0": "raspberry-pi-4",
    "cpu-0": "generic-amd64",
}


def test_each_device_runs_the_best_profile_that_fits(digits: Product) -> None:
    pods = digits.pods("digits")
    assert {node: pod["metadata"]["labels"]["edgewise.dev/profile"] for node, pod in pods.items()} == EXPECTED


def test_a_device_carries_the_label_of_every_profile_it_belongs_to(digits: Product) -> None:
    labels = digits.kubectl.get("node", "coral-0")["metadata"]["labels"]
    mine = sorted(key for key in labels if key.startswith("profile.edgewise.dev/"))
    assert mine == ["profile.edgewise.dev/coral-usb", "profile.edgewise.dev/generic-amd64"]


def test_the_status_says_which_build_each_profile_runs_and_why_the_coral_runs_none(digits: Product) -> None:
    status = digits.status()
    profiles = {profile["name"]: profile for profile in status["profiles"]}
    assert status["nodes"] == {"matched": 5, "ready": 5, "updated": 5, "offline": 0, "failed": 0, "unplaced": 0}
    assert profiles["generic-amd64"]["variant"] == "digits/int8"
    assert profiles["generic-amd64"]["nodes"] == 2
    assert "variant" not in profiles["coral-usb"]
    assert "LiteRT does not load ONNX" in profiles["coral-usb"]["reason"]


def test_a_runtime_says_which_provider_it_really_got(digits: Product) -> None:
    profiles = {profile["name"]: profile for profile in digits.status()["profiles"]}
    assert "runs on CPUExecutionProvider instead of" in profiles["jetson-agx-orin"]["reason"]


def test_the_command_line_shows_a_row_for_each_device(digits: Product) -> None:
    deployment = EdgeDeployment.model_validate(digits.kubectl.get("edgedeployment", "digits"))
    nodes = digits.kubectl.get("nodes")["items"]
    table = rows(deployment, nodes, digits.pods("digits").values())
    assert [(row.node, row.state) for row in table] == [(node, "Serving") for node in sorted(EXPECTED)]
    coral = next(row for row in table if row.node == "coral-0")
    assert "not coral-usb" in coral.why


def test_the_cloud_node_is_left_alone(digits: Product) -> None:
    assert "cloud-0" not in digits.pods("digits")
