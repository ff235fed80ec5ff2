"""How the runtime writes its log: a constant message, and what varies as fields, so that a fleet's logs can be found.

JSON lines in a pod; on a laptop the same as `message key=value`. Called by commands.py only.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


def configure(level: str, *, as_json: bool) -> None:
    """To stderr. ValueError on an unknown level."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if as_json else KeyValues("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("hpack").setLevel(logging.WARNING)  # DEBUG is every header, tokens included


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """What the call gave as `extra`."""
    return {key: value for key, value in record.__dict__.items() if key not in _STANDARD}


class JsonLines(logging.Formatter):
    """One object a line: time (UTC, RFC 3339), level, logger, message, then the record's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{moment}.{record.msecs:03.0f}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class KeyValues(logging.Formatter):
    """For eyes."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        pairs = " ".join(f"{key}={value}" for key, value in fields(record).items())
        return f"{text} {pairs}" if pairs else text
