"""Whose signatures the models bear that serve, as the devices say: for the status, so that a person need not believe
the operator or a registry. Keys are few, whatever the number of devices; who found which is in their reports alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from edgewise.api.rollout import KEY_DIGITS, Signer
from edgewise.contract.report import Report
from edgewise.core.release import Release

LISTED = 16
_KEY = re.compile(KEY_DIGITS)  # a device may say anything


def signers(reports: Iterable[Report], release: Release, before: Iterable[Signer]) -> list[Signer]:
    """Of the release, by model. `before`: what devices said of it that have not spoken since the operator started."""
    spoken = [
        model
        for report in reports
        if report.serving == report.release == release.name
        for model in report.models
        if model.state == "Ready" and model.name in release.models
    ]
    heard = {model.name for model in spoken}
    said = {(model.name, model.signer) for model in spoken if _KEY.fullmatch(model.signer)}
    said |= {(signer.model, signer.key) for signer in before if signer.model not in heard}
    return [Signer(model=model, key=key) for model, key in sorted(said)][:LISTED]
