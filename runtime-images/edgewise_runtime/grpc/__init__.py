"""The Open Inference Protocol over gRPC. HTTP/2 by hand (RFC 9113), as far as gRPC needs it."""
