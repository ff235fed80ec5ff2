"""What is done around a model: pictures to tensors before it, labels, boxes or text out of its tensors after it.

Pillow is imported only where a model takes pictures. Used by agent/loading.py and laptop.py through `processed`.
"""

from __future__ import annotations

from edgewise.api.processing import Processing
from edgewise_runtime.engines.base import Session


def processed(session: Session, processing: Processing | None) -> Session:
    """`session` with its processing around it; itself where there is none. ModelLoadError where they do not fit."""
    if processing is None or not (processing.pre or processing.post):
        return session
    from edgewise_runtime.processing.session import ProcessedSession

    return ProcessedSession(session, processing)
