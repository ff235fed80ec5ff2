"""The Helm chart, as people meet it: rendered and installed by both helms, judged by a real API server."""
