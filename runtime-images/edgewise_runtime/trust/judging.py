"""Whether a model is what its plan says, by the word of somebody who may say so. Pure but for the cryptography.

First the signature, then what it is over, then an ordered list of checks: the first that finds something is the reason.
Called by agent/trusting.py before the model's file is fetched.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timezone

from edgewise.api.names import Reason
from edgewise.contract.trust import instant, precedence
from edgewise_runtime.trust import MANIFEST, oms
from edgewise_runtime.trust.content import Content, content_of
from edgewise_runtime.trust.keys import PublicKey
from edgewise_runtime.trust.manifest import Manifest, NoManifestError, read_manifest

_NEW_ONE = "sign it anew with `kubectl edgewise package --sign`"


class UntrustedError(Exception):
    """The model must not be served; `reason` is from names.Reason, the message says what to change."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Claim:
    """What a plan says that a file is."""

    model: str
    version: str
    variant: str
    sha256: str


@dataclass(frozen=True)
class Proof:
    """The two small files that come with a version of a model."""

    signature: bytes
    manifest: bytes


@dataclass(frozen=True)
class Terms:
    """What is asked of it."""

    keys: tuple[PublicKey, ...]
    min_version: str | None = None
    not_after: str | None = None
    expires: bool = True
    """False: dates do not count, because it was taken before. Nothing is unloaded for being old."""


@dataclass(frozen=True)
class Moment:
    """What time it is."""

    now: float
    """Seconds since the epoch."""
    doubt: str = ""
    """Why that cannot be believed; empty: it can."""


@dataclass(frozen=True)
class Verified:
    """A claim that holds, for the file with this content."""

    signer: PublicKey
    content: Content


@dataclass(frozen=True)
class Matter:
    """All that the checks look at. The signature is good, and covers the manifest."""

    claim: Claim
    terms: Terms
    moment: Moment
    manifest: Manifest
    content: Content | None
    """Of the claimed variant, as signed."""


Finding = tuple[str, str]
"""Reason and message."""


def judge(claim: Claim, proof: Proof, terms: Terms, moment: Moment) -> Verified:
    """UntrustedError, unless everything is in order."""
    try:
        bundle = oms.read_bundle(proof.signature)
        signer = _signer(bundle, terms.keys)
        statement = oms.read_statement(bundle)
        manifest = _manifest(statement, proof.manifest)
        content = content_of(statement, manifest.files.get(claim.variant, ""))
    except oms.NotSignedError as error:
        raise UntrustedError(Reason.SIGNATURE_INVALID, f"{error}; {_NEW_ONE}") from error
    matter = Matter(claim, terms, moment, manifest, content)
    if finding := next((found for check in CHECKS if (found := check(matter)) is not None), None):
        raise UntrustedError(*finding)
    assert content is not None  # noqa: S101  variant_is_not_signed finds that
    return Verified(signer, content)


def _signer(bundle: oms.Bundle, keys: Iterable[PublicKey]) -> PublicKey:
    """Whose signature it is: a certificate's, too, where its key is one of `keys`."""
    if bundle.verification_material.certificate is not None:
        raise oms.NotSignedError(
            "it is signed keyless, which only the logs of sigstore could confirm; devices know keys, not identities"
        )
    known = tuple(keys)
    found = next((key for key in known if key.made(bundle.signature, bundle.signed)), None)
    if found is not None:
        return found
    named = bundle.verification_material.public_key
    hint = (named.hint or "") if named is not None else ""
    if any(key.fingerprint == hint for key in known):
        raise oms.NotSignedError("the signature does not belong to what it is over: one of the two was changed")
    mine = ", ".join(key.shown for key in known)
    by = f" (it names key {hint[:12]})" if hint else ""
    raise oms.NotSignedError(f"none of the keys that may sign made the signature{by}; those are {mine}")


def _manifest(statement: oms.Statement, text: bytes) -> Manifest:
    signed = content_of(statement, MANIFEST)
    if signed is None:
        raise oms.NotSignedError(
            f"the signature covers no {MANIFEST}, so nobody knows which model and version it is of"
        )
    if not signed.matches(io.BytesIO(text)):
        raise oms.NotSignedError(f"{MANIFEST} is not the signed one")
    try:
        return read_manifest(text)
    except NoManifestError as error:
        raise oms.NotSignedError(f"{MANIFEST} is signed, but unusable ({error})") from error


def it_is_another_model(matter: Matter) -> Finding | None:
    signed, claimed = matter.manifest.model, matter.claim.model
    if signed == claimed:
        return None
    message = f"the signature is for model {signed}, the EdgeModel is called {claimed}; give it the signed name"
    return Reason.SIGNATURE_INVALID, message


def it_is_another_version(matter: Matter) -> Finding | None:
    """An old version under a new number; or the other way round."""
    signed, claimed = matter.manifest.version, matter.claim.version
    if signed == claimed:
        return None
    message = (
        f"the signature is for version {signed}, spec.version says {claimed}; "
        f"name the signature and the manifest of {claimed}"
    )
    return Reason.SIGNATURE_INVALID, message


def variant_is_not_signed(matter: Matter) -> Finding | None:
    if matter.content is not None:
        return None
    variant, signed = matter.claim.variant, ", ".join(sorted(matter.manifest.files))
    message = f"the signature does not cover variant {variant} (it covers {signed}); {_NEW_ONE}"
    return Reason.SIGNATURE_INVALID, message


def variant_is_another_file(matter: Matter) -> Finding | None:
    """A build of another version among those of this one. Where no sha256 is signed, the file itself is looked at."""
    claim, signed = matter.claim, matter.content.sha256 if matter.content is not None else ""
    if signed in ("", claim.sha256):
        return None
    message = (
        f"the signed file of variant {claim.variant} has sha256 {signed[:12]}…, source.sha256 is {claim.sha256[:12]}…; "
        "one of the two is of another version"
    )
    return Reason.SIGNATURE_INVALID, message


def version_is_below_the_barrier(matter: Matter) -> Finding | None:
    lowest, version = matter.terms.min_version, matter.manifest.version
    if lowest is None or precedence(version) >= precedence(lowest):
        return None
    return (
        Reason.VERSION_TOO_OLD,
        f"version {version} is below verification.minVersion {lowest}: no device goes back there",
    )


def clock_cannot_be_believed(matter: Matter) -> Finding | None:
    """Only where a date counts."""
    if not _dates(matter):
        return None
    moment, issued = matter.moment, instant(matter.manifest.issued)
    doubt = moment.doubt or (
        f"the device's clock says {_shown(moment.now)}, before the model was signed" if moment.now < issued else ""
    )
    if not doubt:
        return None
    return Reason.CLOCK_UNTRUSTED, f"the signature is good until {_earliest(matter)}, and {doubt}; set the clock"


def signature_has_expired(matter: Matter) -> Finding | None:
    if not _dates(matter) or matter.moment.now < instant(_earliest(matter)):
        return None
    signed = matter.manifest.not_after == _earliest(matter)
    what = f"{MANIFEST} says" if signed else "verification.notAfter says"
    return (
        Reason.SIGNATURE_EXPIRED,
        f"{what} that nothing is taken from {_earliest(matter)} on; {_NEW_ONE}, or move the date",
    )


def _dates(matter: Matter) -> list[str]:
    if not matter.terms.expires:
        return []
    return [date for date in (matter.manifest.not_after, matter.terms.not_after) if date is not None]


def _earliest(matter: Matter) -> str:
    return min(_dates(matter), key=instant)


def _shown(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%MZ")


CHECKS: tuple[Callable[[Matter], Finding | None], ...] = (
    it_is_another_model,  # wrong install
    it_is_another_version,  # replay, fast-forward: whatever number a plan gives it
    variant_is_not_signed,
    variant_is_another_file,  # mix and match
    version_is_below_the_barrier,  # going back
    clock_cannot_be_believed,
    signature_has_expired,  # freeze
)
