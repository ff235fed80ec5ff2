"""What holds whatever the fleet looks like and whatever people do to it."""

from __future__ import annotations

import string
from collections.abc import Callable
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgewise.api.deviceprofile import DeviceProfile
from edgewise.api.edgemodel import EdgeModel
from edgewise.api.names import child_name
from edgewise.api.units import binary, quantity, seconds
from edgewise.contract.plan import Plan as DevicePlan
from edgewise.core.children import plans
from edgewise.core.deployment import decide
from edgewise.core.deployment.view import view
from edgewise.core.observed import Node
from edgewise.core.placement import share
from tests.unit.core.builders import GIB, ONNX_FP16, ONNX_FP32, ONNX_INT8, build, model, node, profile, taint
from tests.unit.core.scheduling import admits
from tests.unit.core.world import World, world

KINDS = [ONNX_FP32, ONNX_FP16, ONNX_INT8]
LABELS = ["arm64", "gpu", "npu"]
CLOUD = [{"name": "cloud", "url": "http://triton.cloud.svc:8000"}]
unhurried = settings(deadline=None)
patient = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def profiles(draw: st.DrawFn) -> list[DeviceProfile]:
    """Up to four, of overlapping classes, some with a toleration."""
    made = []
    for i in range(draw(st.integers(1, 4))):
        label, operator = draw(st.sampled_from(LABELS)), draw(st.sampled_from(["Exists", "DoesNotExist"]))
        kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=3, unique=True))
        pod = {"tolerations": [{"key": "dedicated", "operator": "Exists"}]} if draw(st.booleans()) else {}
        term = {"matchExpressions": [{"key": label, "operator": operator}]}
        priority = draw(st.integers(0, 2))
        made.append(profile(f"p{i}", *kinds, priority=priority, nodeSelectorTerms=[term], pod=pod))
    return made


@st.composite
def models(draw: st.DrawFn, version: str = "1.0.0") -> EdgeModel:
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=3, unique=True))
    memory = draw(st.sampled_from(["10Mi", "40Mi", "1Gi"]))
    accuracy = draw(st.sampled_from([None, "0.9", "0.99"]))
    rest = {"accuracy": accuracy} if accuracy else {}
    return model(
        "digits", *(build(f"b{kind[1].lower()}", kind, memory=memory, **rest) for kind in kinds), version=version
    )


@st.composite
def nodes(draw: st.DrawFn, name: str) -> Node:
    labels = draw(st.lists(st.sampled_from(LABELS), unique=True))
    return replace(
        node(
            name,
            ready=draw(st.booleans()),
            memory=draw(st.sampled_from([0, GIB, 8 * GIB])),
            taints=[taint()] if draw(st.integers(0, 4)) == 0 else [],
        ),
        labels={"site": draw(st.sampled_from(["lab", "shop"])), **dict.fromkeys(labels, "")},
    )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A deployment that nobody has looked at yet."""
    fleet = [draw(nodes(f"n{i}")) for i in range(draw(st.integers(0, 5)))]
    selector = draw(st.sampled_from([{}, {"site": "lab"}]))
    return world(fleet, draw(profiles()), [draw(models())], placement={"nodeSelector": selector})


Action = Callable[[World], None]


@st.composite
def actions(draw: st.DrawFn) -> Action:
    """Something a person, or the world, does."""
    version = f"{draw(st.integers(1, 9))}.0.0"
    fresh, known = draw(models(version)), draw(profiles())
    flags = draw(st.lists(st.booleans(), min_size=5, max_size=5))
    accuracy = draw(st.sampled_from(["0", "0.95"]))
    done: Action = draw(
        st.sampled_from(
            [
                lambda of: of.release(fresh),
                lambda of: of.models.clear(),
                lambda of: of.profiles.__setitem__(slice(None), known),
                lambda of: of.cut(*(name for name, cut in zip(of.nodes, flags, strict=False) if cut)),
                lambda of: of.heal(*of.nodes),
                lambda of: of.broken.update((name, of.plan.target if of.plan else "") for name in list(of.nodes)[:2]),
                lambda of: of.broken.clear(),
                lambda of: of.reports.clear(),
                lambda of: of.children.pop(("ConfigMap", "digits-plan"), None),
                lambda of: of.edit(rollout={"paused": flags[0]}),
                lambda of: of.edit(requirements={"minAccuracy": accuracy}),
                lambda of: of.edit(placement={"nodeSelector": {"site": "lab"}} if flags[0] else {}),
                lambda of: of.edit(serving={"hostPort": 8000 if flags[0] else 0}),
                lambda of: of.edit(escalation={"targets": CLOUD} if flags[0] else None),
                lambda of: setattr(of, "helping", flags[0]),
                lambda of: setattr(of, "now", of.now + 120),
                lambda of: of.edit(release=(of.status.get("release", {}).get("previous") or "") if flags[0] else ""),
            ]
        )
    )
    return done


@patient
@given(worlds(), st.lists(actions(), max_size=3))
def test_where_a_node_is_placed_is_where_the_affinities_let_its_pod_go(made: World, done: list[Action]) -> None:
    """And nowhere else: each node is admitted by the workload of its own profile alone."""
    for act in done:
        act(made)
        made.settle(rounds=20)
    plan = made.reconcile()
    if not plan.apply:
        return
    placed = view(made.observed()).placed
    belongs = {**placed.kept, **placed.nodes}
    for name, one in made.nodes.items():
        admitted = [
            child["metadata"]["labels"]["edgewise.dev/profile"]
            for child in plan.apply
            if child["kind"] == "DaemonSet" and admits(child["spec"]["template"]["spec"]["affinity"], one.labels)
        ]
        if name in belongs:
            assert admitted == [belongs[name]]
        elif not placed.unplaced.get(name, "").startswith("InsufficientMemory") and name not in placed.tainted:
            assert admitted == []


@patient
@given(worlds(), st.lists(actions(), max_size=6))
def test_whatever_is_done_it_comes_to_rest_and_a_look_at_rest_writes_nothing(made: World, done: list[Action]) -> None:
    made.settle(rounds=20)
    for act in done:
        act(made)
        made.settle(rounds=20)
    looked_at = made.observed()
    first, second = decide(looked_at, made.now), decide(looked_at, made.now)
    assert first == second
    assert first.status == made.status
    assert all(made.children[one["kind"], one["metadata"]["name"]] == one for one in first.apply)
    assert (first.events, first.prune, first.delete) == ((), (), ())


@patient
@given(worlds(), st.lists(actions(), max_size=6))
def test_the_plans_number_rises_with_every_change_and_never_falls(made: World, done: list[Action]) -> None:
    last: DevicePlan | None = None
    for act in [lambda _: None, *done]:
        act(made)
        for _ in range(4):
            made.reconcile()
            made.live()
            if made.plan is None:
                continue
            if last is not None and made.plan != last:
                assert made.plan.sequence > last.sequence
            last = made.plan
            assert made.status["plan"]["sequence"] == last.sequence


@patient
@given(worlds(), st.sets(st.integers(0, 4)))
def test_a_first_release_is_ready_only_when_every_reachable_device_serves_it(made: World, broken: set[int]) -> None:
    target = view(made.observed()).target.name
    made.broken = {(f"n{i}", target) for i in broken}
    made.settle(rounds=20)
    placed = view(made.observed()).placed.nodes
    reachable = [name for name in placed if made.nodes[name].ready]
    all_serve = bool(reachable) and all(made.served().get(name) == target for name in reachable)
    assert (made.ready[0] == "True") is all_serve
    assert (made.status.get("release", {}).get("stable") == target) is all_serve


@patient
@given(worlds(), st.lists(actions(), max_size=6))
def test_only_what_the_deployment_owns_is_ever_pruned_and_never_what_is_wanted(made: World, done: list[Action]) -> None:
    for act in [lambda _: None, *done]:
        act(made)
        before = {(ref.kind, ref.name) for ref in made.observed().children}
        plan = made.reconcile()
        made.live()
        pruned = {(ref.kind, ref.name) for ref in plan.prune}
        assert pruned <= before
        assert not pruned & {(one["kind"], one["metadata"]["name"]) for one in plan.apply}


@unhurried
@given(st.integers(0, 10_000), st.dictionaries(st.text(string.ascii_lowercase, min_size=1), st.integers(0, 10_000)))
def test_shares_add_up_and_none_is_off_by_a_whole_replica(replicas: int, counts: dict[str, int]) -> None:
    shares, total = share(replicas, counts), sum(counts.values())
    assert shares.keys() == counts.keys()
    assert sum(shares.values()) == (replicas if total else 0)
    assert all(abs(shares[name] * total - replicas * count) < max(total, 1) for name, count in counts.items())


PLANS = st.builds(
    lambda target, number: DevicePlan.model_validate(
        {
            "deployment": {"namespace": "edge", "name": "digits", "uid": "u"},
            "sequence": number, "target": target, "releases": [], "profiles": {},
        }
    ),
    st.sampled_from(["a", "b"]),
    st.integers(0, 5),
)  # fmt: skip


@unhurried
@given(PLANS, st.none() | PLANS, st.integers(0, 5))
def test_a_number_is_never_below_what_was_seen_and_another_plan_never_shares_one(
    wanted: DevicePlan, present: DevicePlan | None, seen: int
) -> None:
    made = plans.sequenced(wanted, present, seen)
    assert made.sequence >= max(seen, present.sequence if present else 0)
    assert made.target == wanted.target
    assert plans.sequenced(wanted, made, made.sequence) == made
    if present is not None and present.target != wanted.target:
        assert made.sequence > present.sequence


SCALES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


@unhurried
@given(st.integers(0, 10**6), st.sampled_from(sorted(SCALES)))
def test_a_whole_quantity_is_its_number_times_its_unit(number: int, unit: str) -> None:
    assert quantity(f"{number}{unit}") == number * SCALES[unit]


@unhurried
@given(st.integers(0, 2**50))
def test_bytes_for_people_are_a_quantity_and_within_a_rounding(size: int) -> None:
    assert abs(quantity(binary(size)) - size) <= max(size * 0.05, 1)


@unhurried
@given(st.lists(st.tuples(st.integers(0, 999), st.sampled_from(["d", "h", "m", "s"])), min_size=1, max_size=4))
def test_a_duration_is_the_sum_of_its_parts(parts: list[tuple[int, str]]) -> None:
    scale = {"d": 86400, "h": 3600, "m": 60, "s": 1}
    assert seconds("".join(f"{number}{unit}" for number, unit in parts)) == sum(n * scale[unit] for n, unit in parts)


NAMES = st.text(string.ascii_lowercase + string.digits + "-.", min_size=1, max_size=80)


@unhurried
@given(NAMES, NAMES, st.integers(20, 253))
def test_a_childs_name_fits_and_is_the_same_every_time(owner: str, role: str, limit: int) -> None:
    made = child_name(owner, role, limit)
    assert len(made) <= limit
    assert made == child_name(owner, role, limit)
    assert made == f"{owner}-{role}" or len(f"{owner}-{role}") > limit


@unhurried
@given(NAMES, NAMES, NAMES)
def test_children_of_one_owner_never_share_a_name(owner: str, one: str, other: str) -> None:
    assert (child_name(owner, one, 30) == child_name(owner, other, 30)) is (one == other)
