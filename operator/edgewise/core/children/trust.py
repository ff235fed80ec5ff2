"""What spec.verification of the models makes of a runtime pod: which public keys it mounts, and what it is to demand.

It is the pod's, so that no plan can loosen it: whoever may edit the plan's ConfigMap cannot have a device take what its
EdgeModel forbids. The plan carries today's policy as well, and the stricter of the two counts (contract/trust.py).
Called by core/deployment/templates.py and the builders of pods and plans.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from edgewise.api.edgemodel import EdgeModelSpec, Verification
from edgewise.contract.trust import POLICIES, Policies, Policy
from edgewise.core.children import secrets
from edgewise.core.release import canonical

VARIABLE = "EDGEWISE_TRUST"


def policy(asked: Verification) -> Policy:
    """What a device needs to know of it, beside the files that are to prove it."""
    return Policy(
        public_keys=[key.secret_ref for key in asked.public_keys],
        min_version=asked.min_version,
        not_after=asked.not_after,
    )


def policies(models: Mapping[str, EdgeModelSpec]) -> Policies:
    """Of all models of a deployment. Empty where none of them must be signed: such a pod demands nothing."""
    asked = {name: demanded(spec) for name, spec in models.items()}
    return asked if any(asked.values()) else {}


def demanded(spec: EdgeModelSpec) -> Policy | None:
    required = spec.verification is not None and spec.verification.required
    return policy(spec.verification) if required and spec.verification else None


def keys(spec: EdgeModelSpec) -> Iterator[str]:
    """Keys of Secrets that judging the model takes."""
    asked = demanded(spec)
    for key in asked.public_keys if asked is not None else ():
        yield from secrets.keys_of(key)


def wire(demands: Policies) -> dict[str, Any]:
    return {name: one.wire() if one is not None else None for name, one in sorted(demands.items())}


def environment(demands: Mapping[str, Any]) -> list[dict[str, Any]]:
    """demands: as `wire` writes them."""
    return [{"name": VARIABLE, "value": canonical(demands)}] if demands else []


def of(spec: Mapping[str, Any]) -> Policies:
    """What a pod spec that was made here demands; nothing where somebody damaged it."""
    container: Mapping[str, Any] = next(iter(spec.get("containers") or ()), {})
    text = next((one.get("value", "") for one in container.get("env") or () if one["name"] == VARIABLE), "")
    try:
        return POLICIES.validate_json(text) if text else {}
    except ValidationError:
        return {}


def lasting(needed: Policies, present: Policies) -> Policies:
    """The present demands where they only know more keys, or more models: to drop one replaces no pod.

    A dropped key is out of force at once all the same: the plan does not name it any more."""
    alike = all(name in present and _narrower(one, present[name]) for name, one in needed.items())
    return present if needed and alike else needed


def _narrower(needed: Policy | None, present: Policy | None) -> bool:
    if needed is None or present is None:
        return needed == present
    barriers = needed.model_copy(update={"public_keys": present.public_keys})
    return barriers == present and all(key in present.public_keys for key in needed.public_keys)
