"""Small documents that outlive the process, in the node's cache. Used by whatever remembers something in the agent.

A full or broken disk is logged, and nothing stops for it: then the device knows less after a restart. Both functions
block, briefly.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from edgewise_runtime import durable

log = logging.getLogger(__name__)

_Document = TypeVar("_Document")


def read(path: Path, parse: Callable[[bytes], _Document]) -> _Document | None:
    """None where there is none, or none that can be read. `parse`: ValueError on what is no such document."""
    try:
        return parse(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        log.error("what was kept cannot be read; doing without it", extra={"file": path.name, "detail": str(error)})
        return None


def write(path: Path, document: bytes) -> None:
    """The old or the new one is there, whatever happens."""
    try:
        durable.write(path, document)
    except OSError as error:
        log.error("cannot be kept for the next start", extra={"file": path.name, "detail": str(error)})
