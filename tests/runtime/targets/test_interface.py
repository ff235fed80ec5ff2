"""What a target says of a model, over both protocols: a real Triton's word, and words that are none."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2 as pb

from edgewise_runtime.engines.base import TensorSpec
from edgewise_runtime.errors import BadRequestError
from edgewise_runtime.escalation.targets import NoHelpError, Targets
from edgewise_runtime.escalation.targets.interface import Interface, from_json, from_message, question_about
from edgewise_runtime.protocol.datatypes import NAMES
from tests.cloud.triton import MODEL, Triton
from tests.runtime.targets.asking import PATIENCE, target

DIGITS = (TensorSpec("image", "FP32", (-1, 1, 28, 28)),), (TensorSpec("logits", "FP32", (-1, 10)),)
BOTH = pytest.mark.parametrize("protocol", ["http", "grpc"])


def url(triton: Triton, protocol: str) -> str:
    return triton.url if protocol == "http" else triton.grpc_url


async def told(targets: Targets, url: str, about: str = MODEL, **more: Any) -> Interface:
    asked = target(url, **more)
    targets.use([asked])
    return await targets.interface(asked, about, PATIENCE)


@BOTH
async def test_a_real_triton_tells_what_its_model_takes_and_gives(
    protocol: str, triton: Triton, targets: Targets
) -> None:
    found = await told(targets, url(triton, protocol))
    assert (found.inputs, found.outputs) == DIGITS
    assert found.platform


@BOTH
async def test_the_model_may_have_another_name_there(protocol: str, triton: Triton, targets: Targets) -> None:
    assert (await told(targets, url(triton, protocol), "mnist", model=MODEL)).outputs == DIGITS[1]


@BOTH
async def test_a_model_that_is_not_there_is_told(protocol: str, triton: Triton, targets: Targets) -> None:
    with pytest.raises(NoHelpError, match="unknown model: 'cats'"):
        await told(targets, url(triton, protocol), "cats")


@BOTH
async def test_a_server_that_is_not_there_is_told(protocol: str, targets: Targets) -> None:
    with pytest.raises(NoHelpError) as caught:
        await told(targets, f"{protocol}://127.0.0.1:1")
    assert caught.value.result == "unreachable"


SPECS = st.builds(
    lambda name, datatype, shape: TensorSpec(name, datatype, tuple(shape)),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=9),
    st.sampled_from(NAMES),
    st.lists(st.integers(-1, 2**63 - 1), max_size=5),
)
INTERFACES = st.builds(
    lambda platform, inputs, outputs: Interface(platform, tuple(inputs), tuple(outputs)),
    st.text(st.characters(codec="utf-8"), max_size=9),
    st.lists(SPECS, min_size=1, max_size=3),
    st.lists(SPECS, min_size=1, max_size=3),
)


def documented(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype, "shape": list(spec.shape)}


@given(INTERFACES)
def test_it_is_read_as_the_published_messages_write_it(interface: Interface) -> None:
    tensors = {"inputs": [*map(documented, interface.inputs)], "outputs": [*map(documented, interface.outputs)]}
    document = {"name": "digits", "versions": ["1"], "platform": interface.platform, **tensors}
    assert from_json(json.dumps(document).encode()) == interface
    assert from_message(memoryview(pb.ModelMetadataResponse(**document).SerializeToString())) == interface


def test_the_question_is_as_the_published_messages_write_it() -> None:
    assert question_about("digits") == pb.ModelMetadataRequest(name="digits").SerializeToString()


TENSOR = {"name": "x", "datatype": "FP32", "shape": [-1, 2]}
WHOLE = {"platform": "", "inputs": [TENSOR], "outputs": [TENSOR]}
NONSENSE: dict[str, Any] = {
    "no object": [1],
    "no inputs": {**WHOLE, "inputs": []},
    "inputs that are no list": {**WHOLE, "inputs": {}},
    "an output that is none": {**WHOLE, "outputs": ["x"]},
    "no name": {**WHOLE, "inputs": [{**TENSOR, "name": ""}]},
    "a datatype of its own": {**WHOLE, "inputs": [{**TENSOR, "datatype": "FP7"}]},
    "a shape of words": {**WHOLE, "outputs": [{**TENSOR, "shape": ["n", 2]}]},
    "a size below -1": {**WHOLE, "outputs": [{**TENSOR, "shape": [-2]}]},
}


@pytest.mark.parametrize("document", NONSENSE.values(), ids=NONSENSE)
def test_what_is_no_metadata_is_refused(document: Any) -> None:
    with pytest.raises((ValueError, BadRequestError)):
        from_json(json.dumps(document).encode())


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(ValueError, BadRequestError):
        assert from_json(body).inputs
    with contextlib.suppress(ValueError, BadRequestError):
        assert from_message(memoryview(body)).inputs
