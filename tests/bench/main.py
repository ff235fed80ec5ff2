"""Figures of the main job: how fast, how small, how quiet, and what a cut-off device goes through."""

import time
from dataclasses import dataclass

from tests.bench.figures import Figure, Report
from tests.cluster import audit
from tests.cluster.progress import say
from tests.stage import examples, traffic
from tests.stage.product import Product, raise_curtain

RUNS = 3
SETTLE = 30
DEVICE = "pi-0"
MIB = 2**20


def main() -> None:
    product, report = raise_curtain(), Report("main")
    examples.serve_digits(product)
    for measure in (
        apply_to_ready,
        update,
        memory,
        two_models,
        cut_device,
        kill_on_cut_device,
        restart_on_cut_device,
        idle,
    ):
        say(measure.__name__.replace("_", " "))
        measure(product, report)
    say(f"wrote {report.write()}")


def apply_to_ready(product: Product, report: Report) -> None:
    """From nothing to Ready on five devices: images are there, the model is fetched."""
    runs = []
    for _ in range(RUNS):
        product.kubectl("delete", "edgedeployment", "digits", "--wait=true")
        product.kubectl.wait("pods are gone", lambda: not product.pods("digits") or None, 60)
        began = time.monotonic()
        examples.apply(product, "01-digits")
        examples.wait_version(product, "1.0.0")
        runs.append(time.monotonic() - began)
    report.add(Figure("kubectl apply to Ready, 5 devices", runs, "s", limit=10))


def update(product: Product, report: Report) -> None:
    """Back and forth between 1.0.0 and 1.1.0 while a client asks 50 times a second."""
    client = on_device(product, "bench-update", product.status()["url"], rate=50, node="cloud-0")
    runs = []
    for folder, version in (("02-model-update", "1.1.0"), ("01-digits", "1.0.0")) * 2:
        began = time.monotonic()
        examples.apply(product, f"{folder}/edgemodel.yaml")
        examples.wait_version(product, version)
        runs.append(time.monotonic() - began)
        client.wait_answered(client.answers().answered + 100)
    answers = client.stop()
    report.add(Figure("model update to all five serving it", runs, "s", limit=15))
    report.add(Figure(f"failed requests during updates, of {answers.sent}", [answers.failed], "requests", limit=0))


def memory(product: Product, report: Report) -> None:
    """Resident memory of process 1 in each pod."""
    operator = product.system.get("pods", "", "-l", "app.kubernetes.io/component=operator")["items"]
    own = [resident(product.system, pod["metadata"]["name"]) for pod in operator]
    devices = [resident(product.kubectl, pod["metadata"]["name"]) for pod in product.pods("digits").values()]
    report.add(Figure("operator resident memory", own, "MiB", limit=90, summary=max))
    report.add(Figure("runtime resident memory, digits", devices, "MiB", limit=150, summary=max))


def resident(kubectl: object, pod: str) -> float:
    """MiB of resident memory of the pod's first process."""
    text = str(kubectl("exec", pod, "--", "cat", "/proc/1/status"))  # type: ignore[operator]
    line = next(line for line in text.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def two_models(product: Product, report: Report) -> None:
    """The same device with one model and with two, in one pod each."""
    examples.second_model(product)
    examples.apply(product, "05-two-models")
    product.kubectl.wait_ready("edgedeployment", "two-models", 120)
    both = {
        node: resident(product.kubectl, pod["metadata"]["name"]) for node, pod in product.pods("two-models").items()
    }
    one = {node: resident(product.kubectl, pod["metadata"]["name"]) for node, pod in product.pods("digits").items()}
    report.add(
        Figure("memory of two models in one pod / of one", [both[node] / one[node] for node in both], "x", limit=1.4)
    )
    product.kubectl("delete", "edgedeployment", "two-models")


def on_device(product: Product, name: str, url: str, rate: float, node: str = DEVICE) -> traffic.Traffic:
    return traffic.start(
        product.kubectl, product.images["runtime-cpu"], name, traffic.Client(url, rate=rate, node=node)
    )


def cut_device(product: Product, report: Report) -> None:
    """A minute without network, then two shorter ones (all until it counts as offline), and the half minute after."""
    client = on_device(product, "bench-cut", product.status()["localURL"], rate=20)
    cuts = [cut_off(product, seconds) for seconds in (60, 40, 25)]
    lines = client.lines()
    client.remove()
    away = [traffic.total(line for line in lines if cut.begin <= line["at"] <= cut.end) for cut in cuts]
    after = [traffic.total(line for line in lines if cut.end < line["at"] <= cut.end + SETTLE) for cut in cuts]
    shares = [answers.answered / max(1, answers.sent) for answers in away]
    asked = sum(answers.sent for answers in away)
    report.add(Figure(f"answered while cut, of {asked}", shares, "share", "more", 1.0, summary=min))
    lost = [float(answers.failed) for answers in after]
    asked = sum(answers.sent for answers in after)
    report.add(Figure(f"lost in the {SETTLE} s after healing, of {asked}", lost, "requests", limit=0, summary=max))
    report.add(Figure("back in step after healing", [cut.back for cut in cuts], "s", limit=15))
    report.add(Figure("node Ready after healing, by its kubelet", [cut.believed for cut in cuts], "s"))


@dataclass(frozen=True)
class Cut:
    """When a device was cut off, in seconds since the epoch."""

    begin: float
    end: float
    back: float
    """Seconds from healing until all five were in step again."""
    believed: float
    """And until its kubelet had the node Ready, which takes a device no longer to serve, or to follow a rollout."""


def cut_off(product: Product, seconds: float) -> Cut:
    device = product.cluster[DEVICE]
    begin = time.time()
    device.cut()
    time.sleep(seconds)
    product.kubectl.wait("it counts as offline", lambda: product.status()["nodes"].get("offline") == 1 or None, 60)
    end = time.time()
    device.heal()
    product.kubectl.wait("back in step", lambda: in_step(product) or None, 90)
    back = time.time() - end
    device.wait_ready()
    believed = time.time() - end
    time.sleep(max(0.0, SETTLE + 1 - believed))
    return Cut(begin, end, back, believed)


def in_step(product: Product) -> bool:
    nodes = product.status()["nodes"]
    return nodes["updated"] == 5 and not nodes.get("offline")


def kill_on_cut_device(product: Product, report: Report) -> None:
    """The runtime container is killed while there is no network: the kubelet restarts it, the cache serves."""
    client = on_device(product, "bench-kill", product.status()["localURL"], rate=20)
    device, pod = product.cluster[DEVICE], product.pods("digits")[DEVICE]["metadata"]["name"]
    device.cut()
    killed = time.time()
    device.kill_container(pod, "runtime", product.kubectl.namespace)
    time.sleep(30)
    device.heal()
    device.wait_ready()
    client.wait_answered(1)
    report.add(Figure("runtime killed while cut: time without answers", [outage(client, killed)], "s"))
    client.remove()


def restart_on_cut_device(product: Product, report: Report) -> None:
    """kubelet and containerd restart while there is no network; containers stay."""
    client = on_device(product, "bench-restart", product.status()["localURL"], rate=20)
    device = product.cluster[DEVICE]
    device.cut()
    restarted = time.time()
    device.restart_kubelet_and_containerd()
    time.sleep(30)
    device.heal()
    device.wait_ready()
    client.wait_answered(1)
    report.add(
        Figure("kubelet and containerd restarted while cut: time without answers", [outage(client, restarted)], "s")
    )
    client.remove()


def outage(client: traffic.Traffic, since: float) -> float:
    """Seconds of the client's lines (one a second) that hold failures."""
    return float(sum(line["failed"] > 0 for line in client.lines() if line["at"] >= since))


def idle(product: Product, report: Report) -> None:
    """Everything settled: what does the operator write in a minute?"""
    product.kubectl.wait_ready("edgedeployment", "digits", 60)
    time.sleep(15)
    before = writes(product)
    time.sleep(60)
    report.add(
        Figure("writes of an idle operator in 60 s, leases aside", [writes(product) - before], "writes", limit=0)
    )


def writes(product: Product) -> int:
    calls = audit.calls(product.cluster.audit_log, user=product.operator_user)
    verbs = ("create", "update", "patch", "delete")
    return sum(count for call, count in calls.items() if call.verb in verbs and call.resource != "leases")


if __name__ == "__main__":
    main()
