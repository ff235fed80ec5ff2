"""Has each model of a release judged before its file is fetched: by what its pod demands and its plan tightens, with
the keys that are mounted now. A release that is refused costs the link two small files; what serves goes on.

Called by agent/obtaining.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from edgewise.api.base import SecretKeyRef
from edgewise.api.edgemodel import Source
from edgewise.api.names import Reason
from edgewise.contract.trust import POLICIES, Policies, Policy, tightened
from edgewise_runtime.agent.clock import Clock
from edgewise_runtime.agent.failure import Failure
from edgewise_runtime.agent.goals import GoalModel
from edgewise_runtime.settings import Settings, SettingsError
from edgewise_runtime.trust.judging import Claim, Moment, Proof, Terms, UntrustedError, Verified, judge
from edgewise_runtime.trust.keys import PublicKey, UnusableKeyError, read_keys

Obtain = Callable[[Source], Awaitable[Path]]
"""Path of a verified file; Failure or OSError where it cannot be had."""


def demands(settings: Settings) -> Policies | None:
    """What this pod was made with; None: it demands nothing by itself. SettingsError where that cannot be read: a pod
    that does not know its demands must not serve."""
    if not settings.trust:
        return None
    try:
        return POLICIES.validate_json(settings.trust)
    except ValidationError as error:
        raise SettingsError(f"EDGEWISE_TRUST is no {{model: policy}} in JSON: {error}") from error


@dataclass(frozen=True)
class Trust:
    """One per process."""

    secrets: Path
    """Where Secrets are mounted."""
    clock: Clock
    policies: Policies | None = None
    """See `demands`."""

    async def judged(self, model: GoalModel, obtain: Obtain, again: bool = False) -> Verified | None:
        """None: nothing is demanded of this model. Failure where it is not what the plan says, or nobody can tell.

        `again`: it was served before this start. The keys that the pod has still count, barriers do not."""
        policy = self._policy(model, again)
        if policy is None:
            return None
        asked = model.verification
        if asked is None or asked.signature is None or asked.manifest is None:
            raise Failure(
                Reason.SIGNATURE_INVALID,
                f"model {model.name} must be signed, and its release names no signature; set signature and manifest in "
                "spec.verification of the EdgeModel",
                model.name,
            )
        keys, missing = await asyncio.to_thread(self._keys, policy)  # as long as it takes to import cryptography
        if not keys:
            what = "; ".join(missing) or "the pod and the plan have no public key in common; the pod is to be replaced"
            raise Failure(Reason.PUBLIC_KEY_MISSING, f"the signature cannot be checked: {what}", model.name)
        proof = Proof(
            (await obtain(model.beside(asked.signature))).read_bytes(),
            (await obtain(model.beside(asked.manifest))).read_bytes(),
        )
        terms = Terms(keys, policy.min_version, policy.not_after, expires=not again)
        try:
            moment = Moment(self.clock.now(), self.clock.doubt())
            return await asyncio.to_thread(judge, _claim(model), proof, terms, moment)
        except UntrustedError as error:
            raise Failure(error.reason, "; ".join((str(error), *missing)), model.name) from error

    def _policy(self, model: GoalModel, again: bool) -> Policy | None:
        if self.policies is not None and model.name not in self.policies:
            raise Failure(
                Reason.SIGNATURE_INVALID,
                f"this pod was made for {', '.join(sorted(self.policies))}; it takes no model {model.name} on the word "
                "of a plan, and is replaced when spec.models changes",
                model.name,
            )
        fixed = self.policies[model.name] if self.policies is not None else None
        policy = tightened(fixed, model.verification.policy if model.verification is not None else None)
        return Policy(public_keys=policy.public_keys) if policy is not None and again else policy

    def _keys(self, policy: Policy) -> tuple[tuple[PublicKey, ...], list[str]]:
        """Those that can be used, and what is wrong with the others."""
        found, missing = list[PublicKey](), list[str]()
        for reference in policy.public_keys:
            try:
                found += read_keys((self.secrets / reference.name / reference.key).read_bytes())
            except OSError:
                missing.append(f"{_named(reference)} is missing; create it in the namespace of the EdgeDeployment")
            except UnusableKeyError as error:
                missing.append(f"{_named(reference)}: {error}")
        return tuple(found), missing


def _claim(model: GoalModel) -> Claim:
    return Claim(model.name, model.version, model.build.variant, model.build.source.sha256)


def _named(reference: SecretKeyRef) -> str:
    return f"key {reference.key} of Secret {reference.name}"


async def covered(verified: Verified | None, path: Path, model: GoalModel) -> None:
    """Failure where the file is not the signed one. One whose sha256 is signed need not be read again."""
    if verified is None or verified.content.sha256:
        return
    if not await asyncio.to_thread(_matches, verified, path):
        message = f"the file of variant {model.build.variant} is not the signed one"
        raise Failure(Reason.SIGNATURE_INVALID, message, model.name)


def _matches(verified: Verified, path: Path) -> bool:
    with path.open("rb") as file:
        return verified.content.matches(file)
