"""Settings of the operator: flags, environment, and what is said of a wrong value."""

from __future__ import annotations

import pytest

from edgewise.controller.settings import OperatorSettings, read


def test_nothing_said_is_the_default() -> None:
    assert read([], {}) == OperatorSettings()


def test_an_empty_variable_is_the_default_too() -> None:
    assert read([], {"EDGEWISE_IMAGES": "", "EDGEWISE_WORKERS": ""}) == OperatorSettings()


def test_every_kind_of_value_is_read_from_the_environment() -> None:
    settings = read(
        [],
        {
            "EDGEWISE_NAMESPACE": "edgewise-system",
            "EDGEWISE_IMAGES": "cpu=registry.example:5000/runtime@sha256:0, jetson-6=mine:1",
            "EDGEWISE_WATCH_NAMESPACES": "a, b,",
            "EDGEWISE_CATALOGUE": "False",
            "EDGEWISE_LABEL_GRACE": "2.5",
            "EDGEWISE_WORKERS": "8",
        },
    )
    assert settings.images == {"cpu": "registry.example:5000/runtime@sha256:0", "jetson-6": "mine:1"}
    assert (settings.watch_namespaces, settings.catalogue) == (("a", "b"), False)
    assert (settings.label_grace, settings.workers) == (2.5, 8)
    assert settings.reports_url == "https://edgewise-operator.edgewise-system.svc:9443/v1/report"


def test_a_flag_wins_over_the_environment() -> None:
    assert read(["--log-level", "DEBUG"], {"EDGEWISE_LOG_LEVEL": "ERROR"}).log_level == "DEBUG"


def test_the_address_for_devices_may_be_another() -> None:
    assert OperatorSettings(report_url="https://vpn:1/v1/report").reports_url == "https://vpn:1/v1/report"


WRONG = {
    "EDGEWISE_CATALOGUE": ("maybe", "--catalogue: 'maybe' is neither true nor false"),
    "EDGEWISE_WORKERS": ("many", "--workers: invalid literal"),
    "EDGEWISE_IMAGES": ("cpu", "--images: 'cpu' is not key=value"),
}


@pytest.mark.parametrize(("variable", "value", "said"), [(name, *case) for name, case in WRONG.items()], ids=WRONG)
def test_a_wrong_value_is_named(variable: str, value: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read([], {variable: value})
    assert said in capsys.readouterr().err
