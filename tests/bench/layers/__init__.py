"""The bench behind docs/adr/20261121.http-layer.md: `python -m tests.bench.layers`."""
