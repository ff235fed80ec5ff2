"""How far this device is on its way to a release: written by switching, read by reporting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgewise.api.names import Reason
from edgewise.contract.report import ModelReport
from edgewise_runtime.agent.bell import Bell
from edgewise_runtime.agent.failure import Failure
from edgewise_runtime.agent.goals import Goal, NoBuild

_WAITING = {Reason.SOURCE_UNREACHABLE: "Downloading", Reason.KEY_MISSING: "Loading"}


@dataclass(frozen=True)
class Running:
    """What a served model runs on."""

    provider: str
    """Empty: on nothing any more, it refuses requests."""
    lost: str = ""
    """Why it has left its accelerator."""
    signer: str = ""


class Progress:
    """The release being gone to, or served, and the state of each of its models. `bell` rings on all but bytes."""

    def __init__(self) -> None:
        self.bell = Bell()
        self.release = ""
        self._models: dict[str, ModelReport] = {}

    @property
    def models(self) -> list[ModelReport]:
        return list(self._models.values())

    @property
    def moving(self) -> bool:
        """Whether things may change soon, without a newer plan."""
        return any(
            model.state in ("Downloading", "Loading") or (model.state == "Pending" and not model.reason)
            for model in self._models.values()
        )

    def begin(self, goal: Goal) -> None:
        """Every model waits for its turn. A new try at the same builds keeps what the last one found, for now."""
        fresh = [
            ModelReport(name=model.name, version=model.version, variant=model.build.variant, state="Pending")
            for model in goal.models
        ]
        if goal.release != self.release or list(map(_build, fresh)) != list(map(_build, self.models)):
            self._replace(goal.release, fresh)

    def no_build(self, goal: NoBuild) -> None:
        """There is no way to this release."""
        self._replace(
            goal.release,
            [
                ModelReport(
                    name=model.name,
                    version=model.version,
                    variant="",
                    state="Pending",
                    reason=Reason.NO_BUILD_IN_TARGET,
                    message=goal.message,
                )
                for model in goal.models
            ],
        )

    def downloading(self, name: str) -> None:
        """A wait for a source ends with its first bytes, not with the next try."""
        waiting = self._models[name].reason == Reason.SOURCE_UNREACHABLE
        self._update(
            name, {"state": "Downloading"} if waiting else {"state": "Downloading", "reason": "", "message": ""}
        )

    def downloaded(self, name: str, size: int) -> None:
        """Bytes that are there; not worth a report of their own."""
        self._models[name] = self._models[name].model_copy(update={"downloaded": size})
        if self._models[name].state == "Downloading":
            self._update(name, {"reason": "", "message": ""})

    def loading(self) -> None:
        """All files are there and verified."""
        for name in self._models:
            self._update(name, {"state": "Loading", "reason": "", "message": ""})

    def waiting(self, reason: str, message: str) -> None:
        """Everything is here, and it is too early to switch."""
        for name in self._models:
            self._update(name, {"state": "Pending", "reason": reason, "message": message})

    def ready(self, running: Mapping[str, Running]) -> None:
        """The release serves, as `running` says of each model."""
        for name in self._models:
            runs = running.get(name, Running(""))
            state = "Failed" if runs.lost and not runs.provider else "Ready"
            reason = Reason.ACCELERATOR_LOST if runs.lost else ""
            known = {"provider": runs.provider, "signer": runs.signer}
            self._update(name, {"state": state, "reason": reason, "message": runs.lost, **known})

    def failed(self, failure: Failure) -> None:
        """One model, or all. What is waited for is no failure: a source that is away, a key that is not mounted yet."""
        state = _WAITING.get(failure.reason, "Failed")
        for name in self._models:
            if failure.model in ("", name):
                self._update(name, {"state": state, "reason": failure.reason, "message": failure.message})

    def _update(self, name: str, changes: Mapping[str, str]) -> None:
        updated = self._models[name].model_copy(update=changes)
        if updated != self._models[name]:
            self._models[name] = updated
            self.bell.ring()

    def _replace(self, release: str, models: list[ModelReport]) -> None:
        if (release, models) != (self.release, self.models):
            self.release = release
            self._models = {model.name: model for model in models}
            self.bell.ring()


def _build(model: ModelReport) -> tuple[str, str, str]:
    return model.name, model.version, model.variant
