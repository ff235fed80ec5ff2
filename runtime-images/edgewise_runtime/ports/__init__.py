"""What the ports of HTTP and gRPC share: connections and their bounds, TLS, one budget of memory, where bodies lie."""
