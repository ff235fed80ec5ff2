"""An update of five devices, each behind 1 Mbit/s with 5 % loss, each cut off three times on the way."""

import pytest

from tests.cluster.cluster import users_kubeconfig
from tests.stage import bad_links
from tests.stage.product import Product

pytestmark = pytest.mark.skipif(users_kubeconfig() is not None, reason="only links of our own can be cut")


def test_an_update_over_bad_links_goes_on_after_each_cut_and_nobody_notices(digits: Product) -> None:
    courses = bad_links.update(digits).courses
    assert len(courses) == 5
    assert digits.status()["nodes"]["updated"] == 5
    for node, course in courses.items():
        assert course.cuts == len(bad_links.CUTS), node
        assert course.requests > len(bad_links.CUTS), f"{node}: its connections outlived the cuts; nothing was resumed"
        assert course.given <= 1.1, f"{node} began again: {course}"
        assert course.answers.failed == 0, f"{node}: {course.answers.errors}"
        assert set(course.answers.versions) >= {"1.0.0"}
