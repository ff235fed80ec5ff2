"""What must be signed, and by whom: as a pod is made with it, and as a plan may tighten it.

The operator writes the Policies into the pod (EDGEWISE_TRUST), where no plan can loosen them: whoever may edit the
plan's ConfigMap cannot make a device take what it would not take. Each rule counts as the stricter says it. Pure.
"""

from __future__ import annotations

from datetime import datetime, timezone

from pydantic import TypeAdapter

from edgewise.api.base import Model, SecretKeyRef, SemVer, Timestamp

Precedence = tuple[tuple[int, ...], tuple[int, tuple[tuple[int, int, str], ...]]]


class Policy(Model):
    """What one model must show before a device changes over to it."""

    public_keys: list[SecretKeyRef]
    """Whose signature counts: that of any of them. Their files are <SECRETS_FOLDER>/<secret>/<key>."""
    min_version: SemVer | None = None
    """The oldest version that may be taken."""
    not_after: Timestamp | None = None
    """From then on no version is taken."""


Policies = dict[str, Policy | None]
"""{model: what it must show}; None: nothing. A pod that has Policies takes no model that is not among them."""
POLICIES: TypeAdapter[Policies] = TypeAdapter(Policies)


def tightened(fixed: Policy | None, asked: Policy | None) -> Policy | None:
    """Both at once: a signature where either asks for one, by a key that both name, the stricter of the barriers.

    None: nothing is asked. Without keys: there is none that both name."""
    if fixed is None or asked is None:
        return fixed or asked
    return Policy(
        public_keys=[key for key in fixed.public_keys if key in asked.public_keys],
        min_version=max(_said(fixed.min_version, asked.min_version), key=precedence, default=None),
        not_after=min(_said(fixed.not_after, asked.not_after), key=instant, default=None),
    )


def _said(*values: str | None) -> list[str]:
    return [value for value in values if value is not None]


def precedence(version: str) -> Precedence:
    """What semantic versions are ordered by: 1.0.0-rc.2 < 1.0.0-rc.10 < 1.0.0; what follows a + counts nothing."""
    numbers, dash, pre = version.partition("+")[0].partition("-")
    core = tuple(int(number) for number in numbers.split("."))
    if not dash:
        return core, (1, ())
    return core, (0, tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in pre.split(".")))


def instant(timestamp: str) -> float:
    """Seconds since the epoch."""
    moment = datetime.fromisoformat(timestamp.replace("Z", "+00:00"))
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
