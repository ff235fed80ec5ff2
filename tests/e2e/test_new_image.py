"""Another runtime image for a device behind a thin link: it is pulled first, and only then the pod is replaced."""

import pytest

from tests.cluster.cluster import users_kubeconfig
from tests.cluster.containerd import HOST_REGISTRY
from tests.stage import new_image
from tests.stage.product import Product

pytestmark = pytest.mark.skipif(users_kubeconfig() is not None, reason="only links of our own can be made thin")


def test_an_image_is_on_the_device_before_its_pod_is_replaced(digits: Product) -> None:
    outcome = new_image.change(digits)
    assert outcome.image.startswith(HOST_REGISTRY)
    assert outcome.was_there
    assert outcome.answers.answered > 0
