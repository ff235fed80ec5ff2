"""Whether an answer may follow a request: never a 5xx, never silence, never numbers the request did not hold."""

import json
from dataclasses import dataclass
from urllib.parse import unquote

from tests.runtime.fuzz import http_reference, reference
from tests.runtime.fuzz.requests import SIZE


@dataclass(frozen=True)
class Answer:
    """What came back. Header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def complaint(raw: bytes, answer: Answer | None) -> str | None:
    """What is wrong with `answer` (None: the connection was closed without one); None where nothing is."""
    try:
        asked = http_reference.read(raw)
    except (http_reference.IncompleteError, http_reference.NotHTTPError) as error:
        refusal: ValueError | None = error
    else:
        refusal = None
    if answer is None:
        return None if isinstance(refusal, http_reference.IncompleteError) else "no answer to something complete"
    if answer.status >= 500:
        return f"status {answer.status}: {answer.body[:200]!r}"
    if answer.status >= 400:
        return _without_error(raw, answer)
    if answer.status != 200:
        return f"status {answer.status}"
    if isinstance(refusal, http_reference.NotUnpackedError) and b"/infer" not in raw.partition(b"\r\n")[0]:
        return None  # nobody looks into the body of anything else
    if refusal is not None:
        return f"200 to what is no request ({refusal})"
    return _wrong_numbers(asked, answer) if asked.path.split("?")[0].endswith("/infer") else None


def _without_error(raw: bytes, answer: Answer) -> str | None:
    if raw.startswith(b"HEAD "):
        return None
    try:
        said = json.loads(answer.body)["error"]
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status} without an error: {answer.body[:200]!r}"
    return None if isinstance(said, str) and said else f"an error that says nothing: {answer.body[:200]!r}"


def _wrong_numbers(asked: http_reference.Asked, answer: Answer) -> str | None:
    """The model gives back what it got: its answer holds what the server understood."""
    json_size = asked.header(SIZE.lower())
    if json_size is not None and json_size.strip("0") == "":
        return _wrong_raw(asked, answer)
    try:
        sent = reference.request(asked.body, None if json_size is None else int(json_size))
    except (reference.RefusedError, ValueError) as error:
        return f"200 to what holds no numbers ({error})"
    given_size = answer.headers.get(SIZE.lower())
    try:
        got = reference.answer(answer.body, None if given_size is None else int(given_size))
    except reference.RefusedError as error:
        return f"an answer that cannot be read ({error}): {answer.body[:200]!r}"
    if got.document.get("id") != sent.document.get("id"):
        return f"id {got.document.get('id')!r} to {sent.document.get('id')!r}"
    output = next(item for item in got.document["outputs"] if item["name"] == "y")
    wanted = sent.tensors["x"]
    if "binary_data_size" not in (output.get("parameters") or {}):
        wanted = reference.as_json_has_it(wanted)
    if f"echo-{wanted.datatype}" not in unquote(asked.path):
        return f"{wanted.datatype} was taken by {asked.path}"
    return None if got.tensors["y"] == wanted else f"{wanted} became {got.tensors['y']}"


def _wrong_raw(asked: http_reference.Asked, answer: Answer) -> str | None:
    """A raw request: its whole body is the tensor, in a shape of the server's own. BYTES come back as JSON."""
    size = answer.headers.get(SIZE.lower())
    try:
        got = reference.answer(answer.body, None if size is None else int(size)).tensors["y"]
    except (reference.RefusedError, KeyError) as error:
        return f"an answer that cannot be read ({error}): {answer.body[:200]!r}"
    wanted = asked.body.decode("utf-8", "replace").encode() if got.datatype == "BYTES" else asked.body
    return None if b"".join(got.values) == wanted else f"raw {asked.body!r} became {got}"
