"""Everything the operator ever does, each thing once, on an API server without kubelets: the test plays the device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgewise.api.names import API_VERSION, DEVICE_LABEL, MANAGED_BY, POKE_ANNOTATION, PROFILE_PREFIX
from tests.chart.world import (
    CONFIG_MAPS,
    DAEMON_SETS,
    DEPLOYMENT,
    DEPLOYMENTS,
    MODEL,
    MODELS,
    NODE,
    PODS,
    PROFILES,
    REPLICATED,
    REVISIONS,
    SERVICES,
    condition,
    exists,
    metadata,
    names,
)  # fmt: skip
from tests.cluster.apiserver import ApiServer
from tests.cluster.process import Process
from tests.cluster.waiting import wait_for

_PROFILE = f"{PROFILE_PREFIX}raspberry-pi-4"
_READY = {"type": "Ready", "status": "True"}


class Errands:
    """Makes the operator do things, and waits until they are done."""

    def __init__(self, api: ApiServer, process: Process) -> None:
        self._api = api
        self._process = process

    def run(self) -> None:
        """All of them, in an order in which each leads to the next."""
        self.a_model_comes_to_a_device()
        pod = self.its_pod_is_told_of_a_plan_it_has_not_reported()
        self.old_revisions_go()
        self.a_pod_of_an_older_template_is_replaced(pod)
        self.strays_are_tidied_away()
        self.replicas_come_and_go()
        self.a_gateway_comes_and_goes()
        self.the_device_becomes_another()

    def a_model_comes_to_a_device(self) -> None:
        api = self._api
        labels = {DEVICE_LABEL: "raspberry-pi-4", "kubernetes.io/arch": "arm64", "kubernetes.io/os": "linux"}
        api.client.post("/api/v1/nodes", {"metadata": {"name": "device", "labels": labels}})
        api.client.patch(NODE, {"spec": {"taints": None}})
        api.client.patch(f"{NODE}/status", {"status": {"conditions": [_READY], "allocatable": {"memory": "4Gi"}}})
        api.client.post(MODELS, MODEL)
        api.client.post(DEPLOYMENTS, DEPLOYMENT)
        self._until("the device has its profile", lambda: _PROFILE in metadata(api, NODE)["labels"])
        self._until("the model is accepted", lambda: condition(api, f"{MODELS}/digits", "Ready") == "True")
        self._until("the profile counts the device", lambda: self._nodes_of_the_profile() == 1)
        self._until("the device has a workload", lambda: names(api, DAEMON_SETS) == ["digits-raspberry-pi-4"])

    def its_pod_is_told_of_a_plan_it_has_not_reported(self) -> str:
        """By an annotation: its address (of the documentation network) does not answer. Returns the pod's path."""
        api = self._api
        self._until("there is a pod", lambda: bool(names(api, PODS)))
        (name,) = names(api, PODS)
        pod = f"{PODS}/{name}"
        target = {"apiVersion": "v1", "kind": "Node", "name": "device"}
        api.client.post(f"{pod}/binding", {"metadata": {"name": name}, "target": target})
        addresses = {"podIP": "192.0.2.1", "podIPs": [{"ip": "192.0.2.1"}]}
        api.client.patch(f"{pod}/status", {"status": {"phase": "Running", "conditions": [_READY], **addresses}})
        self._until("the pod is poked", lambda: POKE_ANNOTATION in metadata(api, pod).get("annotations", {}))
        return pod

    def old_revisions_go(self) -> None:
        first = self._new_version("1.1.0")
        self._new_version("1.2.0")
        self._until("the first revision is gone", lambda: not exists(self._api, f"{REVISIONS}/{first}"))

    def a_pod_of_an_older_template_is_replaced(self, pod: str) -> None:
        resources = {"requests": {"memory": "300Mi"}}
        self._api.client.patch(f"{DEPLOYMENTS}/digits", {"spec": {"serving": {"resources": resources}}})
        self._until("the pod is deleted", lambda: "deletionTimestamp" in metadata(self._api, pod))

    def strays_are_tidied_away(self) -> None:
        """Children that an older operator knew, say."""
        head = {"name": "stray", "labels": {MANAGED_BY: "edgewise"}, "ownerReferences": [self._owner()]}
        self._api.client.post(CONFIG_MAPS, {"metadata": head})
        self._api.client.post(SERVICES, {"metadata": head, "spec": {"ports": [{"port": 80}]}})
        self._until("the ConfigMap is gone", lambda: not exists(self._api, f"{CONFIG_MAPS}/stray"))
        self._until("the Service is gone", lambda: not exists(self._api, f"{SERVICES}/stray"))

    def replicas_come_and_go(self) -> None:
        self._place({"mode": "Replicas", "replicas": 1})
        self._until("there is a Deployment", lambda: bool(names(self._api, REPLICATED)))
        self._place({"mode": "PerNode", "replicas": None})
        self._until("the Deployment is gone", lambda: not names(self._api, REPLICATED))

    def a_gateway_comes_and_goes(self) -> None:
        targets = [{"name": "cloud", "url": "https://triton.example"}]
        self._help({"targets": targets, "gateway": {"nodeSelector": {"kubernetes.io/os": "linux"}}})
        self._until("the gateway stands by", lambda: names(self._api, REPLICATED) == ["digits-gateway"])
        self._help(None)
        self._until("the gateway is gone", lambda: not names(self._api, REPLICATED))

    def the_device_becomes_another(self) -> None:
        api = self._api
        api.client.patch(NODE, {"metadata": {"labels": {DEVICE_LABEL: None}}})
        self._until("the device has lost its profile", lambda: _PROFILE not in metadata(api, NODE)["labels"])
        self._until("it is on its way to another", lambda: "digits-generic-arm64" in names(api, DAEMON_SETS))
        self._place({"profiles": ["generic-arm64"]})  # it never reports: this is how there is nothing to go back to
        self._until("a workload replaces the other", lambda: names(api, DAEMON_SETS) == ["digits-generic-arm64"])

    def _new_version(self, version: str) -> str:
        """Returns the name of the revision before it."""
        before = self._revision()
        self._api.client.patch(f"{MODELS}/digits", {"spec": {"version": version}})
        self._until(f"there is a revision of {version}", lambda: self._revision() != before)
        return before

    def _revision(self) -> str:
        found: str = self._api.client.get(f"{MODELS}/digits")["status"]["revision"]
        return found

    def _place(self, placement: dict[str, Any]) -> None:
        self._api.client.patch(f"{DEPLOYMENTS}/digits", {"spec": {"placement": placement}})

    def _help(self, escalation: dict[str, Any] | None) -> None:
        self._api.client.patch(f"{DEPLOYMENTS}/digits", {"spec": {"escalation": escalation}})

    def _owner(self) -> dict[str, Any]:
        uid = metadata(self._api, f"{DEPLOYMENTS}/digits")["uid"]
        return {"apiVersion": API_VERSION, "kind": "EdgeDeployment", "name": "digits", "uid": uid, "controller": True}

    def _nodes_of_the_profile(self) -> object:
        return self._api.client.get(f"{PROFILES}/raspberry-pi-4").get("status", {}).get("nodes")

    def _until(self, what: str, so: Callable[[], bool]) -> None:
        wait_for(what, so, self._process)
