"""The only code that speaks to the Kubernetes API server, and what it remembers of it."""
