"""Install, reinstall, delete: nothing lost that should stay, nothing left that should go."""

from tests.cluster import binaries
from tests.stage import examples
from tests.stage.product import Product, helm, install


def test_deleting_a_deployment_takes_its_children_along(digits: Product) -> None:
    digits.kubectl("delete", "edgedeployment", "digits")
    kinds = "daemonsets,services,configmaps,controllerrevisions,pods"

    def gone() -> bool:
        left = digits.kubectl("get", kinds, "-l", "app.kubernetes.io/instance=digits", "-o", "name")
        return not [name for name in left.split() if "model" not in name]

    digits.kubectl.wait("children are gone", gone, 90)


def test_uninstalling_the_chart_leaves_devices_serving_and_helm_3_takes_over(digits: Product) -> None:
    pods = {pod["metadata"]["uid"] for pod in digits.pods("digits").values()}
    helm(digits, "uninstall", "edgewise", "--wait")
    assert {pod["metadata"]["uid"] for pod in digits.pods("digits").values()} == pods
    install(digits, binary=binaries.HELM.path())
    digits.kubectl.wait_ready("edgedeployment", "digits", 60)
    assert {pod["metadata"]["uid"] for pod in digits.pods("digits").values()} == pods
    helm(digits, "uninstall", "edgewise", "--wait", binary=binaries.HELM.path())
    install(digits)


def test_two_models_share_one_pod(digits: Product) -> None:
    examples.second_model(digits)
    examples.apply(digits, "05-two-models")
    digits.kubectl.wait_ready("edgedeployment", "two-models", 120)
    for pod in digits.pods("two-models").values():
        assert len(pod["spec"]["containers"]) == 1
    digits.kubectl("delete", "edgedeployment", "two-models")
