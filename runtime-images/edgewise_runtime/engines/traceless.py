"""What is left of a profile's options for an encrypted model: nothing of it may be written. Used by engines.load.

Engines keep what they compiled in caches, weights and all, where options name a place (TensorRT, OpenVINO, QNN,
MIGraphX, VitisAI, Core ML, delegates); others write models or profiles for whoever looks for an error.
"""

from __future__ import annotations

import logging
import re
from dataclasses import replace

from edgewise_runtime.engines.base import EngineOptions

log = logging.getLogger(__name__)

_WRITES = re.compile("cache|dump|save|export|seriali[sz]|ep[._]?context|profiling|blob", re.IGNORECASE)
_IN_MEMORY = frozenset({"CPU_RUNTIME_CACHE_CAPACITY"})


def traceless(options: EngineOptions) -> EngineOptions:
    """`options` without those that make an engine write; which ones is logged."""
    left_out = [name for name in options.options if _WRITES.search(name) and name not in _IN_MEMORY]
    if not left_out:
        return options
    log.warning("for an encrypted model these options do not count: %s", ", ".join(left_out))
    return replace(options, options={key: value for key, value in options.options.items() if key not in left_out})
