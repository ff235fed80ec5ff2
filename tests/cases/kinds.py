"""The three kinds' tables as one: for pydantic (tests/unit) and for the API server (tests/apiserver)."""

from __future__ import annotations

from edgewise.api.base import Model
from edgewise.api.deviceprofile import DeviceProfile
from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.api.edgemodel import EdgeModel
from tests.cases import deviceprofile, edgedeployment, edgemodel
from tests.cases.manifests import (
    FULL_DEPLOYMENT,
    FULL_MODEL,
    FULL_PROFILE,
    SMALL_DEPLOYMENT,
    SMALL_MODEL,
    SMALL_PROFILE,
)
from tests.cases.statuses import DEPLOYMENT_STATUS, MODEL_STATUS, PROFILE_STATUS

MODELS: dict[str, type[Model]] = {kind.__name__: kind for kind in (DeviceProfile, EdgeModel, EdgeDeployment)}
ACCEPTED = (*deviceprofile.ACCEPTED, *edgemodel.ACCEPTED, *edgedeployment.ACCEPTED)
REFUSED = (*deviceprofile.REFUSED, *edgemodel.REFUSED, *edgedeployment.REFUSED)

STATUSES = (
    (SMALL_PROFILE, PROFILE_STATUS),
    (SMALL_MODEL, MODEL_STATUS),
    (SMALL_DEPLOYMENT, DEPLOYMENT_STATUS),
)
"""Per kind the smallest object, and a status that sets every field."""

FULL = ((FULL_PROFILE, PROFILE_STATUS), (FULL_MODEL, MODEL_STATUS), (FULL_DEPLOYMENT, DEPLOYMENT_STATUS))
"""Per kind an object and a status that set every field."""
