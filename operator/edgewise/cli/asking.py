"""What the commands ask the cluster, with the person's own kubeconfig; each way to fail has its sentence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from pydantic import ValidationError
from urllib3.exceptions import HTTPError
from yaml import YAMLError

from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.api.names import DEPLOYMENT_LABEL, GROUP, VERSION
from edgewise.cli.fleet import Row, rows

_PLURAL = "edgedeployments"
_PATIENCE = {"_request_timeout": 30}  # seconds for one answer


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
        self._settings = settings
        self._api: Any = client.ApiClient(settings)

    def answer(self, name: str, namespace: str) -> Answer:
        """How the EdgeDeployment stands, node by node."""
        core: Any = client.CoreV1Api(self._api)
        with _told(self._settings):
            deployment = self._deployment(name, namespace)
            nodes = self._items(core.list_node(**_PATIENCE))
            ours = f"{DEPLOYMENT_LABEL}={name}"
            pods = self._items(core.list_namespaced_pod(namespace, label_selector=ours, **_PATIENCE))
        return Answer(deployment, rows(deployment, nodes, pods))

    def _items(self, listed: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._api.sanitize_for_serialization(listed)["items"]
        return found

    def _deployment(self, name: str, namespace: str) -> EdgeDeployment:
        custom: Any = client.CustomObjectsApi(self._api)
        try:
            body = custom.get_namespaced_custom_object(GROUP, VERSION, namespace, _PLURAL, name, **_PATIENCE)
        except ApiException as error:
            if error.status != 404:
                raise
            there = custom.list_namespaced_custom_object(GROUP, VERSION, namespace, _PLURAL, **_PATIENCE)["items"]
            names = ", ".join(sorted(item["metadata"]["name"] for item in there)) or "none"
            raise AskingError(
                f"namespace {namespace} has no EdgeDeployment {name} (there: {names}); "
                "name one of those, or another namespace with -n"
            ) from error
        return EdgeDeployment.model_validate(body)


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
            f"edgewise {version('edgewise')} cannot read that EdgeDeployment "
            f"({'.'.join(map(str, first['loc']))}: {first['msg']}); install the version that the operator has"
        ) from error


def _refusal(error: ApiException) -> str:
    if error.status == 401:
        return "the cluster does not know you (401); log in again, or correct the credentials in your kubeconfig"
    if error.status == 404:
        return f"this cluster has no kind EdgeDeployment ({GROUP}/{VERSION}); install the chart charts/edgewise"
    if error.status == 403:
        return f"{_message(error)}; ask an administrator for that right"
    if not error.status:
        return f"no answer: {_message(error)}; check network and kubeconfig"
    return f"the cluster answered {error.status}: {_message(error)}"


def _message(error: ApiException) -> str:
    """The API server's own words: it answers with a Status, a proxy on the way with anything."""
    try:
        return str(json.loads(error.body or "")["message"])
    except (KeyError, TypeError, ValueError):
        return " ".join(str(error.reason).split())


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
