"""What a source's Secrets say: who we are, whom to trust. Read at every try: a kubelet updates them in place."""

from __future__ import annotations

import ssl
from pathlib import Path

from edgewise.api.edgemodel import Source
from edgewise.api.names import Reason
from edgewise_runtime import s3
from edgewise_runtime.agent.failure import Failure
from edgewise_runtime.credentials import Credentials, read_credentials


def credentials(secrets: Path, source: Source) -> Credentials:
    """From `<secrets>/<name>/{token | username, password}`. Failure where the Secret is named but not there."""
    if source.secret_ref is None:
        return Credentials()
    found = read_credentials(secrets / source.secret_ref.name)
    if not found.sendable:
        message = f"source.secretRef: key token of Secret {source.secret_ref.name} is not one line of plain characters"
        raise Failure(Reason.SOURCE_REFUSED, message)
    if not found.header():
        raise Failure(
            Reason.SOURCE_REFUSED,
            f"source.secretRef: Secret {source.secret_ref.name} is missing, or has neither the key token nor username "
            "and password; create it in the namespace of the EdgeDeployment",
        )
    return found


def account(secrets: Path, source: Source) -> s3.Account:
    """Who we are to an S3, from `<secrets>/<name>/AWS_…`. Failure where that is not said."""
    if source.secret_ref is None:
        raise Failure(
            Reason.SOURCE_REFUSED,
            "an s3:// source needs source.secretRef, with the keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and "
            "AWS_REGION and AWS_ENDPOINT_URL where they are not Amazon's usual ones; what is public is had over https://",
        )
    try:
        return s3.account(secrets / source.secret_ref.name)
    except LookupError as error:
        raise Failure(Reason.SOURCE_REFUSED, f"source.secretRef: {error.args[0]}") from error


def trust(secrets: Path, source: Source) -> ssl.SSLContext:
    """The system's certificate authorities, and the source's own where it names one."""
    context = ssl.create_default_context()
    reference = source.ca_secret_ref
    if reference is None:
        return context
    try:
        context.load_verify_locations(cadata=(secrets / reference.name / reference.key).read_text())
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise Failure(
            Reason.SOURCE_REFUSED,
            f"source.caSecretRef: key {reference.key} of Secret {reference.name} is missing or is no PEM bundle",
        ) from error
    return context
