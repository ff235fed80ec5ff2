"""Processes are ended by their record, and by nothing else."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cluster.process import Records
from tests.cluster.waiting import NotReadyError, wait_for

_STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.1; done"


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(tmp_path)


def test_a_started_process_runs_until_it_is_stopped(records: Records) -> None:
    process = records.start("sleeper", ["sleep", "600"])
    assert process.alive
    records.stop()
    assert not process.alive
    assert records.all() == []


def test_a_process_that_still_runs_is_not_started_twice(records: Records) -> None:
    first = records.start("sleeper", ["sleep", "600"])
    again = records.start("sleeper", ["sleep", "600"])
    records.stop()
    assert again == first


def test_another_program_finds_and_ends_it(records: Records) -> None:
    process = records.start("sleeper", ["sleep", "600"])
    Records(records.folder).stop("sleeper")
    assert not process.alive


def test_records_that_others_make_and_forget_meanwhile_disturb_nobody(records: Records) -> None:
    def come_and_go(name: str) -> None:
        for _ in range(40):
            records.start(name, ["sleep", "600"])
            records.stop(name)

    with ThreadPoolExecutor() as pool:
        list(pool.map(come_and_go, [f"sleeper-{number}" for number in range(5)]))
    assert records.all() == []


def test_a_process_id_that_was_reused_is_left_alone(records: Records) -> None:
    process = records.start("sleeper", ["sleep", "600"])
    stale = replace(process, started=process.started - 1)
    stale.stop(grace=0)
    survived = process.alive
    records.stop()
    assert survived
    assert not stale.alive


def test_a_process_that_ignores_the_request_to_end_is_killed(records: Records) -> None:
    process = records.start("stubborn", ["sh", "-c", _STUBBORN])
    wait_for("it ignores SIGTERM", lambda: "ready" in Path(process.log).read_text(), process)
    records.stop(grace=0.1)
    assert not process.alive


def test_stopping_nothing_is_fine(records: Records) -> None:
    records.stop()
    records.stop("never-started")


def test_waiting_for_a_process_that_dies_shows_its_last_words(records: Records) -> None:
    process = records.start("brief", ["sh", "-c", "echo no such disk; exit 1"])
    with pytest.raises(NotReadyError, match=r"has died(.|\n)*brief\.log(.|\n)*no such disk"):
        wait_for("it answers", lambda: False, process)


def test_a_zombie_is_dead(records: Records) -> None:
    process = records.start("sleeper", ["sleep", "600"])
    process.signal(signal.SIGKILL)
    wait_for("it is gone", lambda: not process.alive)
    assert os.waitpid(process.pid, 0)[0] == process.pid
