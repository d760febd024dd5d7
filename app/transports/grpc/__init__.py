"""The gRPC face: the same services on a port of their own, as protos/ describes them."""
