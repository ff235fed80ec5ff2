"""Those a device may ask for help, over HTTP or gRPC, each with its own deadline, trust and credentials.

The policy says whom to ask and when; from here on nobody knows why.
"""

from edgewise_runtime.escalation.targets.question import NoHelpError, Question, Reply
from edgewise_runtime.escalation.targets.targets import Targets, longest

__all__ = ["NoHelpError", "Question", "Reply", "Targets", "longest"]
