"""`make bench-serving`: the runtime as a process of its own, against bare servers and the servers people know.

One function a figure, each with its rivals in the same run; `python -m tests.bench.serving --only health,overload`
takes some of them.
"""
