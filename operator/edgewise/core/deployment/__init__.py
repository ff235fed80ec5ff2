"""The decision about one EdgeDeployment, step by step.

What may not go on (blockers); who serves what where (view, images); how far that is (verdict); what devices and pods
shall do about it (rollout, templates); what is told of it (status); all of it as writes (decision).
"""

from edgewise.core.deployment.decision import decide

__all__ = ["decide"]
