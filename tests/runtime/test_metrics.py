"""Our counters say what Prometheus' own would say."""

from __future__ import annotations

from prometheus_client import CollectorRegistry
from prometheus_client import Histogram as TheirHistogram
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from edgewise_runtime.metrics import Metrics

SECONDS = (0.0001, 0.0005, 0.3, 7.0)


def samples(text: bytes, name: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(text.decode())
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
        if sample.name.startswith(name)
    }


async def test_a_histogram_reads_as_prometheus_own_does() -> None:
    name, registry, metrics = "edgewise_inference_duration_seconds", CollectorRegistry(), Metrics()
    ours = metrics.inference.labels("m", "1")
    theirs = TheirHistogram(name, "", ["model", "version"], registry=registry, buckets=metrics.inference.bounds)
    for seconds in SECONDS:
        ours.observe(seconds)
        theirs.labels("m", "1").observe(seconds)
    expected = samples(generate_latest(registry), name)
    del expected[f"{name}_created", frozenset({("model", "m"), ("version", "1")})]
    assert samples(await metrics.render(), name) == expected


async def test_a_counter_goes_up_and_is_kept_by_its_labels() -> None:
    metrics = Metrics()
    for outcome in ("ok", "ok", "refused"):
        metrics.requests.labels("m", "1", outcome, "device").inc()
    found = samples(await metrics.render(), "edgewise_requests")
    assert {dict(labels)["outcome"]: value for (_, labels), value in found.items()} == {"ok": 2, "refused": 1}


async def test_series_of_models_that_are_gone_go_too_and_those_of_others_stay() -> None:
    metrics = Metrics()
    metrics.forget_models({("old", "1"), ("kept", "1")})
    for model in ("old", "kept"):
        metrics.duration.labels(model, "1").observe(0.1)
        metrics.requests.labels(model, "1", "ok", "device").inc()
    metrics.escalations.labels("old", "answered").inc()
    metrics.forget_models({("kept", "1")})
    text = (await metrics.render()).decode()
    assert 'model="old"' not in text
    assert 'edgewise_requests_total{model="kept"' in text
    assert 'target="old"' in text


async def test_a_state_is_read_when_it_is_scraped() -> None:
    metrics, state = Metrics(), [1.0]
    metrics.watch("edgewise_mood", "How it is", ("place",), lambda: [(("here",), state[0])])
    for mood in (1.0, 2.0):
        state[0] = mood
        found = samples(await metrics.render(), "edgewise_mood")
        assert found == {("edgewise_mood", frozenset({("place", "here")})): mood}
