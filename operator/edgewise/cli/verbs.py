"""What a person may tell a rollout: each verb is a field of the spec, with what comes of it in words. Pure.

Called by the commands (steering.py). A verb that would do nothing, or nothing good, raises VerbError.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.api.rollout import ReleaseStatus, RolloutStatus


class VerbError(Exception):
    """Why it makes no sense now, and what does, in one line."""


@dataclass(frozen=True)
class Known:
    """A release on record."""

    name: str
    made: str
    """When it was first seen, RFC 3339."""
    models: str
    """With their versions."""


@dataclass(frozen=True)
class Edit:
    """Fields to set."""

    spec: Mapping[str, Any]
    told: str
    """What comes of it."""


def pause(seen: EdgeDeployment, _: Sequence[Known]) -> Edit:
    """Releases no further wave, and lets nobody switch who has not yet."""
    name, going = _going(seen)
    stays = f"{name} stays in wave {going.wave} of {going.waves}" if name else "nothing new goes out"
    return Edit({"rollout": {"paused": True}}, f"paused: {stays} until `kubectl edgewise resume {_name(seen)}`")


def resume(seen: EdgeDeployment, _: Sequence[Known]) -> Edit:
    """Lets a paused rollout go on."""
    if not seen.spec.rollout.paused:
        raise VerbError(f"{_name(seen)} is not paused: {_serves(seen)}")
    return Edit({"rollout": {"paused": False}}, "goes on where it was")


def promote(seen: EdgeDeployment, _: Sequence[Known]) -> Edit:
    """Ends the soak of the present wave, and its wait for requests. What speaks against the release still counts."""
    name, going = _going(seen)
    if not name or not going.wave:
        raise VerbError(f"no wave of {_name(seen)} soaks or waits: {_serves(seen)}")
    text = f"wave {going.wave} of {going.waves} of {name} need not soak any longer, nor wait for requests"
    return Edit({"rollout": {"promote": f"{name}/{going.wave}"}}, text)


def abort(seen: EdgeDeployment, known: Sequence[Known]) -> Edit:
    """Takes the release that is on its way back from everybody, and rejects it not."""
    now = _release(seen)
    if now.stable is None:
        raise VerbError(f"{_name(seen)} has no release to go back to: {now.target or 'its first'} is not promoted yet")
    if now.stable == now.target:
        raise VerbError(f"no release is on its way: {_serves(seen)}; to go back further, `undo`")
    return undo(seen, known, now.stable)


def undo(seen: EdgeDeployment, known: Sequence[Known], to: str = "") -> Edit:
    """Pins a release that was served before: the stable one while another is on its way, else the one before."""
    now = _release(seen)
    wanted = to or ((now.stable if now.target != now.stable else now.previous) or "")
    if not wanted:
        raise VerbError(f"{_name(seen)} has served nothing before: {_serves(seen)}; name a release with --to")
    found = _found(known, wanted)
    if found in (now.rejected or ()):
        raise VerbError(f"{found} was rejected, and nobody goes there; `retry` would give it another chance")
    if found == seen.spec.release:
        raise VerbError(f"spec.release is {found} already: {_serves(seen)}")
    text = f"goes to {found}, and stays there until `kubectl edgewise follow {_name(seen)}`"
    return Edit({"release": found}, text)


def follow(seen: EdgeDeployment, _: Sequence[Known]) -> Edit:
    """Ends an undo: what the EdgeModels say now is served again."""
    if not seen.spec.release:
        raise VerbError(f"{_name(seen)} follows its EdgeModels already: {_serves(seen)}")
    return Edit({"release": ""}, "follows its EdgeModels again")


def retry(seen: EdgeDeployment, _: Sequence[Known]) -> Edit:
    """Gives what was rejected last, a release or changed pods, another chance, from its first wave on."""
    rejected = _release(seen).rejected
    if not rejected:
        raise VerbError(f"nothing of {_name(seen)} was rejected: {_serves(seen)}")
    if seen.spec.rollout.retry == rejected[-1]:
        text = f"{rejected[-1]} has had another chance, which counts once; for one more, clear spec.rollout.retry"
        raise VerbError(f"{text}, and try again when status.release.retried is gone")
    return Edit({"rollout": {"retry": rejected[-1]}}, f"{rejected[-1]} is tried again")


def standing(seen: EdgeDeployment, release: str) -> str:
    """What a release is to the fleet, in a word or two; empty: it was served once."""
    now = _release(seen)
    roles = {
        "stable": release == now.stable,
        "on its way": release == now.target != now.stable,
        "before": release == now.previous,
        "pinned": release == seen.spec.release,
        "rejected": release in (now.rejected or ()),
    }
    return ", ".join(role for role, holds in roles.items() if holds)


def _found(known: Sequence[Known], wanted: str) -> str:
    """Its name, of which the version is enough where only one has it."""
    names = [release.name for release in known]
    meant = [name for name in names if name == wanted] or [name for name in names if name.startswith(f"{wanted}-")]
    if len(meant) != 1:
        which = "is more than one of its releases" if meant else "is none of its releases"
        raise VerbError(f"{wanted} {which} (there: {', '.join(meant or names) or 'none yet'}); name one of those")
    return meant[0]


def _going(seen: EdgeDeployment) -> tuple[str, RolloutStatus]:
    """Name of what is on its way in waves, a release or changed pods, and how far it is; empty: nothing is."""
    going, now = seen.status.rollout or RolloutStatus(), _release(seen)
    name = going.pods if now.target == now.stable else going.release
    rejected = name in (now.rejected or ()) or going.release != now.target
    return ("" if rejected else name or ""), going


def _release(seen: EdgeDeployment) -> ReleaseStatus:
    return seen.status.release or ReleaseStatus()


def _serves(seen: EdgeDeployment) -> str:
    now = _release(seen)
    return f"it serves {now.stable}" if now.stable else "it serves nothing yet"


def _name(seen: EdgeDeployment) -> str:
    return seen.metadata.name
