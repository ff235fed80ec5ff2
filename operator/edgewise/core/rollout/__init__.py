"""How a new release goes over a fleet: what is on record, what devices have shown, now -> the next step. Pure.

Who is in which wave (waves), what a wave must show (limits, gates, queries), what comes next (engine), all of one
scene. Reports become evidence, and evidence figures (evidence, judgement, behaviour). Called by
core/deployment/rollout.py, which makes a plan, a status and a verdict of it.
"""
