from __future__ import annotations

from typing import Any

import pytest

from edgewise.api.deviceprofile import DeviceProfile
from edgewise.core.deployment.images import Images, flavour, images
from edgewise.core.observed import Settings
from tests.unit.core.builders import deployment, observed, profile, workload

DEFAULT = Settings(default_images={"cpu": "default:2"})
CHOSEN = Settings(images={"cpu": "chosen:9"}, default_images={"cpu": "default:2"})
RECORDED = {"images": {"cpu": "default:1"}}
OWN = profile(runtime={"image": "own:7"})


@pytest.mark.parametrize(
    ("of", "settings", "on", "expected"),
    [
        pytest.param(
            deployment(), DEFAULT, profile(), Images({"cpu": "default:2"}, {"cpu": "default:2"}), id="the default"
        ),
        pytest.param(
            deployment(status=RECORDED), DEFAULT, profile(), Images({"cpu": "default:1"}, {"cpu": "default:1"}),
            id="the default on record outlives an upgrade of the operator",
        ),
        pytest.param(
            deployment(status=RECORDED), CHOSEN, profile(), Images({"cpu": "chosen:9"}),
            id="the administrator's choice, which is not put on record",
        ),
        pytest.param(deployment(status=RECORDED), CHOSEN, OWN, Images({"cpu": "own:7"}), id="the profile's"),
        pytest.param(
            deployment(status=RECORDED, serving={"image": "mine:3"}), CHOSEN, OWN, Images({"cpu": "mine:3"}),
            id="the deployment's word counts most",
        ),
        pytest.param(deployment(), Settings(), profile(), Images(), id="none at all"),
    ],
)  # fmt: skip
def test_an_image_is_chosen_in_this_order(of: Any, settings: Settings, on: DeviceProfile, expected: Images) -> None:
    assert images(observed(of, settings=settings), [on]) == expected


def test_what_runs_runs_on_when_the_operator_lost_its_image() -> None:
    running = observed(settings=Settings(), workloads=(workload(image="old:1"),))
    assert images(running, [profile()]) == Images({"cpu": "old:1"})


@pytest.mark.parametrize(
    ("runtime", "expected"),
    [
        ({}, "cpu"),
        ({"engine": "OpenVINO"}, "openvino"),
        ({"engine": "LiteRT"}, "coral"),
        ({"platform": "jetpack-6"}, "jetson-6"),
        ({"engine": "LiteRT", "platform": "cpu"}, "cpu"),
    ],
)
def test_engine_and_platform_name_the_image(runtime: dict[str, str], expected: str) -> None:
    assert flavour(profile(runtime=runtime)) == expected
