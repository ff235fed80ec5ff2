"""Runs a system tool to its end; what it said is in the error when it fails."""

import subprocess
from pathlib import Path


class CommandError(RuntimeError):
    """A tool exited with another status than 0."""


def run(*argv: object, stdin: str | None = None, cwd: Path | None = None) -> str:
    """Standard output of the command. Raises `CommandError` with its standard error."""
    words = [str(word) for word in argv]
    done = subprocess.run(words, input=stdin, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CommandError(f"{' '.join(words)}: exit {done.returncode}\n{(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


def succeeds(*argv: object) -> bool:
    """Whether the command exits with status 0."""
    try:
        run(*argv)
    except CommandError:
        return False
    return True
