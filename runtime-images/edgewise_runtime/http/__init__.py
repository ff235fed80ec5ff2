"""HTTP/1.1 for both ports: a server of our own on asyncio and httptools, and the routes it serves.

Why not a framework: docs/adr/20261121.http-layer.md. Bytes come in through listener.py and connection.py, a head
becomes a Call in routes.py or monitoring.py, and inference.py carries tensors to the data plane and back.
"""
