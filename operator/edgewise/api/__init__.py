"""The three kinds as users write them. Pydantic only: no I/O, no clock, no Kubernetes client."""
