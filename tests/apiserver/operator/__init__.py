"""The operator's own code against a real API server."""
