"""What the commands ask the cluster, with the person's own kubeconfig; each way to fail has its sentence."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, TypeVar

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from pydantic import ValidationError
from urllib3.exceptions import HTTPError
from yaml import YAMLError

from edgewise.api.base import Model
from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.api.edgemodel import EdgeModel
from edgewise.api.names import DEPLOYMENT_LABEL, GATEWAY_ROLE, GROUP, PULL_ROLE, ROLE_LABEL, VERSION
from edgewise.cli.fleet import Row, rows
from edgewise.cli.verbs import Known
from edgewise.core.release import Release, read

PLURALS = {"EdgeDeployment": "edgedeployments", "EdgeModel": "edgemodels"}
_PATIENCE = {"_request_timeout": 30}  # seconds for one answer
_APPLY = "application/apply-patch+yaml"
_Kind = TypeVar("_Kind", bound=Model)


class AskingError(Exception):
    """Why there is no answer, and what to do, in one line."""


@dataclass(frozen=True)
class Answer:
    """One EdgeDeployment, and the nodes it has to do with."""

    deployment: EdgeDeployment
    fleet: list[Row]


class Cluster:
    """The cluster of the person's kubeconfig. Every method raises AskingError."""

    def __init__(self) -> None:
        settings: Any = client.Configuration()
        with _told(settings):
            config.load_kube_config(client_configuration=settings)
            _, active = config.list_kube_config_contexts()
        settings.retries = False  # a person repeats a command sooner than a library gives up
        self.namespace = str(active["context"].get("namespace") or "default")
        self.settings = settings
        self.api: Any = client.ApiClient(settings)
        """For what has no method here, such as a Service's proxy."""

    def answer(self, name: str, namespace: str) -> Answer:
        """How the EdgeDeployment stands, node by node."""
        core: Any = client.CoreV1Api(self.api)
        with _told(self.settings):
            deployment = self.deployment(name, namespace)
            nodes = self._items(core.list_node(**_PATIENCE))
            ours = f"{DEPLOYMENT_LABEL}={name},{ROLE_LABEL} notin ({GATEWAY_ROLE}, {PULL_ROLE})"
            pods = self._items(core.list_namespaced_pod(namespace, label_selector=ours, **_PATIENCE))
        return Answer(deployment, rows(deployment, nodes, pods))

    def deployment(self, name: str, namespace: str) -> EdgeDeployment:
        return self._named(EdgeDeployment, name, namespace)

    def model(self, name: str, namespace: str) -> EdgeModel:
        return self._named(EdgeModel, name, namespace)

    def apply(self, manifest: Mapping[str, Any], manager: str, dry: bool = False) -> None:
        """Server-side apply of these fields and no others, never by force. `dry`: only whether it could be done."""
        custom: Any = client.CustomObjectsApi(self.api)
        metadata, plural = manifest["metadata"], PLURALS[manifest["kind"]]
        how = {"field_manager": manager, "_content_type": _APPLY, **({"dry_run": "All"} if dry else {})}
        with _told(self.settings):
            custom.patch_namespaced_custom_object(
                GROUP, VERSION, metadata["namespace"], plural, metadata["name"], manifest, **how, **_PATIENCE
            )

    def releases(self, name: str, namespace: str) -> list[Known]:
        """Of the EdgeDeployment, the newest first."""
        apps: Any = client.AppsV1Api(self.api)
        ours = f"app.kubernetes.io/instance={name},{ROLE_LABEL}=release"
        with _told(self.settings):
            listed = apps.list_namespaced_controller_revision(namespace, label_selector=ours, **_PATIENCE)
        bodies = sorted(self._items(listed), key=lambda body: body["revision"], reverse=True)
        return [_known(body["metadata"], found) for body in bodies if (found := read(body["data"])) is not None]

    def merge(self, manifest: Mapping[str, Any], manager: str) -> set[str]:
        """Sets these fields, whoever set them before, as `kubectl edit` does. Returns who else manages the object's."""
        custom: Any = client.CustomObjectsApi(self.api)
        metadata, plural = manifest["metadata"], PLURALS[manifest["kind"]]
        # Server-side apply would give up what the same manager set the last time, and stop where anybody else has.
        how = {"field_manager": manager, "_content_type": "application/merge-patch+json", **_PATIENCE}
        with _told(self.settings):
            body = custom.patch_namespaced_custom_object(
                GROUP, VERSION, metadata["namespace"], plural, metadata["name"], {"spec": manifest["spec"]}, **how
            )
        return {entry.get("manager", "") for entry in body["metadata"].get("managedFields", ())} - {manager}

    def _items(self, listed: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.api.sanitize_for_serialization(listed)["items"]
        return found

    def _named(self, kind: type[_Kind], name: str, namespace: str) -> _Kind:
        custom: Any = client.CustomObjectsApi(self.api)
        plural = PLURALS[kind.__name__]
        with _told(self.settings):
            try:
                body = custom.get_namespaced_custom_object(GROUP, VERSION, namespace, plural, name, **_PATIENCE)
            except ApiException as error:
                if error.status != 404:
                    raise
                there = custom.list_namespaced_custom_object(GROUP, VERSION, namespace, plural, **_PATIENCE)["items"]
                names = ", ".join(sorted(item["metadata"]["name"] for item in there)) or "none"
                raise AskingError(
                    f"namespace {namespace} has no {kind.__name__} {name} (there: {names}); "
                    "name one of those, or another namespace with -n"
                ) from error
            return kind.model_validate(body)


def _known(metadata: Mapping[str, Any], found: Release) -> Known:
    models = ", ".join(f"{name} {spec.version}" for name, spec in found.models.items())
    return Known(found.name, metadata["creationTimestamp"], models)


@contextmanager
def _told(settings: Any) -> Iterator[None]:
    """Turns what the libraries raise into AskingError."""
    try:
        yield
    except (config.ConfigException, YAMLError, OSError) as error:
        raise AskingError(
            f"cannot use the kubeconfig: {_line(error).rstrip('.')}; set KUBECONFIG to that of your cluster"
        ) from error
    except ApiException as error:
        raise AskingError(_refusal(error)) from error
    except HTTPError as error:
        raise AskingError(f"no answer from {settings.host}: {_line(error)}; check network and kubeconfig") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise AskingError(
            f"edgewise {version('edgewise')} cannot read that {error.title} "
            f"({'.'.join(map(str, first['loc']))}: {first['msg']}); install the version that the operator has"
        ) from error


def _refusal(error: ApiException) -> str:
    if error.status == 401:
        return "the cluster does not know you (401); log in again, or correct the credentials in your kubeconfig"
    if error.status == 404:
        return f"this cluster has no kind EdgeDeployment ({GROUP}/{VERSION}); install the chart charts/edgewise"
    if error.status == 403:
        return f"{_message(error)}; ask an administrator for that right"
    if error.status == 409:
        return f"{_message(error)}; these fields belong to somebody else: change them where those manifests are kept"
    if not error.status:
        return f"no answer: {_message(error)}; check network and kubeconfig"
    return f"the cluster answered {error.status}: {_message(error)}"


def _message(error: ApiException) -> str:
    """The API server's own words, on one line: it answers with a Status, a proxy on the way with anything."""
    try:
        return " ".join(str(json.loads(error.body or "")["message"]).split())
    except (KeyError, TypeError, ValueError):
        return " ".join(str(error.reason).split())


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
