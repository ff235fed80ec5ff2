"""The Open Inference Protocol v2 in bytes: JSON with Triton's binary tensor extension, for server and client."""
