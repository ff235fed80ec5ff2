"""The store: what is news, what is old, what is gone."""

from edgewise.cluster.resources import EDGE_DEPLOYMENT, NODE, POD
from edgewise.cluster.store import Store
from tests.unit import bodies


def test_the_first_sight_of_an_object_is_news_and_the_second_is_not() -> None:
    store = Store()
    assert store.put(bodies.deployment()) is not None
    assert store.put(bodies.deployment()) is None


def test_an_event_older_than_the_answer_to_our_own_write_changes_nothing() -> None:
    store = Store()
    store.put(bodies.deployment(version=7, status={"url": "http://new"}))
    assert store.put(bodies.deployment(version=5, status={"url": "http://old"})) is None
    record = store.shelf(EDGE_DEPLOYMENT).get("edge", "digits")
    assert record is not None
    assert record.value.status.url == "http://new"


def test_versions_are_compared_as_numbers() -> None:
    store = Store()
    store.put(bodies.deployment(version=9))
    assert store.put(bodies.deployment(version=10, generation=2)) is not None


def test_what_is_no_news_still_brings_the_new_version() -> None:
    store = Store()
    store.put(bodies.node(version=1))
    assert store.put(bodies.node(version=2)) is None
    assert [record.ref.resource_version for record in store.shelf(NODE).all()] == ["2"]


def test_an_object_made_anew_replaces_its_predecessor_whatever_the_versions_say() -> None:
    store = Store()
    store.put(bodies.deployment(version=9))
    assert store.put(bodies.deployment(version=3, uid="another")) is not None


def test_the_late_deletion_of_a_predecessor_leaves_the_successor_alone() -> None:
    store = Store()
    store.put(bodies.deployment(version=9, uid="another"))
    assert store.remove(bodies.deployment()) is None
    assert store.shelf(EDGE_DEPLOYMENT).get("edge", "digits") is not None


def test_pods_are_found_by_their_deployment_until_they_are_gone() -> None:
    store = Store()
    store.put(bodies.pod("digits-a"))
    store.put(bodies.pod("digits-b"))
    store.put(bodies.pod("faces-a", of="faces"))
    assert [record.ref.name for record in store.shelf(POD).group(("edge", "digits"))] == ["digits-a", "digits-b"]
    store.remove(bodies.pod("digits-a"))
    assert [record.ref.name for record in store.shelf(POD).group(("edge", "digits"))] == ["digits-b"]


def test_a_pod_that_changes_hands_is_found_under_its_new_deployment_only() -> None:
    store = Store()
    store.put(bodies.pod("a", version=1))
    store.put(bodies.pod("a", of="faces", version=2))
    assert store.shelf(POD).group(("edge", "digits")) == []
    assert len(store.shelf(POD).group(("edge", "faces"))) == 1
