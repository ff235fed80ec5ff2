"""The product's images for every platform: built once, kept in the harness's cache."""

import pytest

from tests.cluster import images
from tests.cluster.images import Built
from tests.cluster.platforms import PLATFORMS


@pytest.fixture(scope="session")
def built() -> Built:
    return images.build(images=images.PRODUCT, platforms=PLATFORMS)
