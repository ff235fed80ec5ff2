from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise_runtime.access.tokens import LONGEST, SHORTEST, Tokens, bearer, read_tokens

TOKEN = b"d1f4e8a0c2b6977f3e5a"


@pytest.mark.parametrize(
    "header",
    [
        "Bearer d1f4e8a0c2b6977f3e5a",
        b"Bearer d1f4e8a0c2b6977f3e5a",
        "bearer d1f4e8a0c2b6977f3e5a",
        "BEARER    d1f4e8a0c2b6977f3e5a  ",
    ],
)
def test_a_bearer_token_is_taken_out_of_its_header(header: str | bytes) -> None:
    assert bearer(header) == TOKEN


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(None, id="no header"),
        pytest.param("", id="an empty one"),
        pytest.param("Bearer", id="no token"),
        pytest.param("Bearer ", id="a space"),
        pytest.param("d1f4e8a0c2b6977f3e5a", id="the token alone"),
        pytest.param("Basic ZWRnZTp3aXNl", id="another scheme"),
        pytest.param("Bearerd1f4e8a0c2b6977f3e5a", id="no space"),
        pytest.param("Bearer d1f4e8a0 c2b6977f3e5a", id="two words"),
        pytest.param("Bearer d1f4e8a0c2b6977f3e5a, Bearer d1f4e8a0c2b6977f3e5a", id="sent twice, and joined"),
        pytest.param("Bearer d1f4e8a0c2b6977f3e5a\n", id="a line break"),
        pytest.param("Bearer d1f4e8a0c2b6\x00977f", id="a zero byte"),
        pytest.param("Bearer prüfung-prüfung-prüfung", id="letters that no header holds"),
        pytest.param("Bearer \N{SNOWMAN}" * 4, id="nor this"),
    ],
)
def test_anything_else_holds_no_token(header: str | None) -> None:
    assert bearer(header) is None


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200), st.from_regex(r"(?i)bearer .*", fullmatch=True)))
def test_no_header_whatsoever_is_more_than_refused(header: bytes | str) -> None:
    token = bearer(header)
    assert token is None or Tokens({"camera": TOKEN}).client(token) is None


def test_each_token_is_its_clients_and_two_may_be_one_clients() -> None:
    tokens = Tokens({"camera": TOKEN, "camera-next": TOKEN[::-1], "gate": b"another-token-of-the-gate"})
    assert tokens.client(TOKEN) == "camera"
    assert tokens.client(TOKEN[::-1]) == "camera-next"
    assert tokens.client(b"another-token-of-the-gate") == "gate"
    assert tokens.problem == ""


@pytest.mark.parametrize("wrong", [b"", TOKEN[:-1], TOKEN + b"0", TOKEN.upper(), TOKEN[:-1] + b"b", b"camera"])
def test_nearly_a_token_is_nobodys(wrong: bytes) -> None:
    assert Tokens({"camera": TOKEN}).client(wrong) is None


def test_of_one_token_under_two_names_the_first_counts() -> None:
    assert Tokens({"camera": TOKEN, "gate": TOKEN}).client(TOKEN) == "camera"


def test_neither_the_object_nor_its_complaint_shows_a_token() -> None:
    tokens = Tokens({"camera": TOKEN, "gate": b"short"})
    assert TOKEN.decode() not in f"{vars(tokens)}"
    assert "gate" in tokens.problem
    assert "short" not in tokens.problem.replace("gate", "")


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"x" * (SHORTEST - 1), id="short enough to be guessed"),
        pytest.param(b"x" * (LONGEST + 1), id="longer than a header may be"),
        pytest.param(b"correct horse battery staple", id="spaces, which no header can carry"),
        pytest.param("prüfung-prüfung-prüfung".encode(), id="letters that no header holds"),
        pytest.param(bytes(range(32)), id="bytes"),
    ],
)
def test_a_token_nobody_could_send_admits_nobody_and_is_named(bad: bytes) -> None:
    tokens = Tokens({"camera": TOKEN, "gate": bad})
    assert "gate" in tokens.problem
    assert tokens.client(bad) is None
    assert tokens.client(TOKEN) == "camera"


def test_of_many_bad_tokens_a_few_are_named() -> None:
    problem = Tokens({f"camera-{number:03}": b"" for number in range(100)}).problem
    assert "camera-000, camera-001, camera-002 and 97 more" in problem


def test_a_mounted_secret_is_read_as_the_kubelet_lays_it_out(tmp_path: Path) -> None:
    moment = tmp_path / "..2026_11_21"
    moment.mkdir()
    (moment / "camera").write_bytes(TOKEN + b"\n")  # kubectl create secret --from-file keeps the line's end
    (tmp_path / "..data").symlink_to(moment.name)
    (tmp_path / "camera").symlink_to("..data/camera")
    tokens = read_tokens(tmp_path)
    assert tokens
    assert tokens.client(TOKEN) == "camera"
    assert tokens.problem == ""


def test_an_empty_folder_holds_no_tokens(tmp_path: Path) -> None:
    assert not read_tokens(tmp_path)
