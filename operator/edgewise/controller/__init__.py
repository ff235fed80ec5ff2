"""The operator at work: a queue of keys, a reconciler per kind, the reports server, metrics. Decisions live in core."""
