"""A swap is one step: whoever borrowed the old model keeps it, whoever comes after gets the new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from edgewise.api.confidence import Confidence
from edgewise_runtime.engines.base import Array, ModelLoadError, TensorSpec
from edgewise_runtime.errors import NotFoundError, UnavailableError
from edgewise_runtime.models import Models, ServedModel


@dataclass(eq=False)
class CountingSession:
    """Remembers how often it was closed; computes nothing."""

    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = (TensorSpec("logits", "FP32", (-1, 2)), TensorSpec("text", "BYTES", (1,)))
    platform: str = "none"
    provider: str = "none"
    lost: str = ""
    closed: int = field(default=0)

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        return [np.zeros(1) for _ in outputs]

    def close(self) -> None:
        self.closed += 1


def model(session: CountingSession, version: str = "1", name: str = "digits") -> ServedModel:
    return ServedModel(name, version, "fp32", session)


def test_nothing_is_ready_before_the_first_release() -> None:
    models = Models()
    assert (models.ready, models.release, dict(models.current()), models.tallies.all()) == (False, None, {}, {})
    with pytest.raises(UnavailableError, match="no model is loaded yet"), models.acquire("digits"):
        pass


def test_a_replaced_session_is_closed_once_and_the_new_one_answers() -> None:
    models, old, new = Models(), CountingSession(), CountingSession()
    models.replace({"digits": model(old)}, "r1")
    models.replace({"digits": model(new, "2")}, "r2")
    with models.acquire("digits") as served:
        assert served.session is new
    assert (old.closed, new.closed, models.release) == (1, 0, "r2")


def test_a_borrowed_session_stays_open_until_the_last_borrower_is_done() -> None:
    models, old = Models(), CountingSession()
    models.replace({"digits": model(old)}, "r1")
    with models.acquire("digits"):
        with models.acquire("digits"):
            models.replace({"digits": model(CountingSession(), "2")}, "r2")
            assert old.closed == 0
        assert old.closed == 0
    assert old.closed == 1


def test_a_session_in_both_releases_is_kept() -> None:
    models, kept = Models(), CountingSession()
    models.replace({"digits": model(kept)}, "r1")
    models.replace({"digits": model(kept), "vad": model(CountingSession(), name="vad")}, "r2")
    assert kept.closed == 0


def test_a_session_that_returns_while_it_is_borrowed_is_kept() -> None:
    models, first = Models(), CountingSession()
    models.replace({"digits": model(first)}, "r1")
    with models.acquire("digits"):
        models.replace({"digits": model(CountingSession(), "2")}, "r2")
        models.replace({"digits": model(first)}, "r1")
    assert first.closed == 0


def test_a_failing_borrower_returns_the_session_too() -> None:
    models, old = Models(), CountingSession()
    models.replace({"digits": model(old)}, "r1")

    def borrow_and_fail() -> None:
        with models.acquire("digits"):
            models.replace({}, "r2")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        borrow_and_fail()
    assert old.closed == 1


def test_unknown_names_and_versions_say_what_there_is() -> None:
    models = Models()
    models.replace({"digits": model(CountingSession(), "2.1.0")}, "r1")
    with pytest.raises(NotFoundError, match="no model 'letters' here; there is digits"):
        models.find("letters")
    with pytest.raises(NotFoundError, match=r"version 2\.1\.0 here, not '1'"):
        models.find("digits", "1")
    assert models.find("digits", "2.1.0") is models.find("digits") is models.find("digits", "")


def test_a_release_is_on_the_books_from_the_moment_it_serves() -> None:
    models = Models()
    models.replace({"digits": model(CountingSession())}, "r1")
    models.replace({"digits": model(CountingSession())}, "r2")
    assert list(models.tallies.all()) == ["r1", "r2"]
    assert models.tallies.before("r2") == "r1"


@pytest.mark.parametrize("output", ["scores", "text"])
def test_a_confidence_of_an_output_that_has_none_is_refused_at_load(output: str) -> None:
    with pytest.raises(ModelLoadError, match=r"confidence\.output"):
        ServedModel("digits", "1", "fp32", CountingSession(), confidence=Confidence(output=output))


def test_a_confidence_that_is_switched_off_needs_no_output() -> None:
    ServedModel("digits", "1", "fp32", CountingSession(), confidence=Confidence(output="scores", method="None"))
