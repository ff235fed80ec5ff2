"""Background processes that outlive the program that started them, and are only ever ended by their own record.

A record is a JSON file with the process id *and* its start time: ids are reused, the pair is not. Signals go through a
pidfd that is opened before the start time is checked, so that nothing else can be hit in between.
"""

import json
import os
import select
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

_TAIL = 15
_SUFFIX = ".pid.json"


@dataclass(frozen=True)
class Process:
    """One recorded process; `started` is field 22 of /proc/<pid>/stat, in clock ticks since boot."""

    name: str
    pid: int
    started: int
    log: str

    @property
    def alive(self) -> bool:
        """Whether the very process that was recorded still runs; a zombie does not."""
        return _start_time(self.pid) == self.started

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal; does nothing when the process is gone."""
        with self._handle() as handle:
            if handle is not None:
                signal.pidfd_send_signal(handle, number)

    def stop(self, grace: float = 5.0) -> None:
        """Ends the process: SIGTERM, and SIGKILL after `grace` seconds. Returns when it is gone."""
        with self._handle() as handle:
            if handle is not None:
                signal.pidfd_send_signal(handle, signal.SIGTERM)
                if not _exits(handle, grace):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                    _exits(handle, grace)
        with suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)

    def log_tail(self) -> str:
        """The last lines of the log, with its path, as an error message shows them."""
        lines = Path(self.log).read_text(errors="replace").splitlines()[-_TAIL:]
        return "\n".join([f"last lines of {self.log}:", *(f"  {line[:400]}" for line in lines)])

    @contextmanager
    def _handle(self) -> Iterator[int | None]:
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            yield None
            return
        try:
            yield handle if self.alive else None
        finally:
            os.close(handle)


class Records:
    """A folder of process records and logs; whoever opens it later can see and end what runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, name: str, argv: Sequence[str], env: Mapping[str, str] | None = None) -> Process:
        """Starts `argv` detached, output to `<name>.log`; a process of that name that still runs is kept."""
        running = self.get(name)
        if running and running.alive:
            return running
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / f"{name}.log"
        pid = _spawn(argv, log, {**os.environ, **(env or {})})
        process = Process(name, pid, _start_time(pid) or 0, str(log))
        self._write(process)
        return process

    def get(self, name: str) -> Process | None:
        """The record of that name, whether or not its process still runs."""
        try:
            return Process(**json.loads(self._file(name).read_text()))
        except FileNotFoundError:
            return None

    def all(self) -> list[Process]:
        """Every record in the folder, by name; others may make and forget some meanwhile."""
        names = sorted(file.name.removesuffix(_SUFFIX) for file in self.folder.glob(f"*{_SUFFIX}"))
        return [process for name in names if (process := self.get(name)) is not None]

    def stop(self, *names: str, grace: float = 5.0) -> None:
        """Ends the processes of these names (all when none is given) together, and forgets them."""
        chosen = [p for p in self.all() if not names or p.name in names]
        for process in chosen:
            process.signal(signal.SIGTERM)
        for process in chosen:
            process.stop(grace)
            self._file(process.name).unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}{_SUFFIX}"

    def _write(self, process: Process) -> None:
        """Nobody reads half of it."""
        begun = self.folder / f"{process.name}.{os.getpid()}.begun"
        begun.write_text(json.dumps(asdict(process)))
        begun.replace(self._file(process.name))


def with_parent(argv: Sequence[str]) -> list[str]:
    """The same command, killed by the kernel when the thread that starts it ends, however it ends."""
    return ["setpriv", "--pdeathsig", "KILL", "--", *argv]


def _spawn(argv: Sequence[str], log: Path, env: Mapping[str, str]) -> int:
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    return os.posix_spawnp(argv[0], list(argv), env, file_actions=actions, setsid=True)


def _start_time(pid: int) -> int | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else int(fields[19])


def _exits(handle: int, timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))
