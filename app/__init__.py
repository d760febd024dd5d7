"""feedgraph: a GraphQL-first social feed server."""

import os

__version__ = "0.1.0"

# gRPC reads this when it is first imported, and with it on, starting a program (such as the embedded Valkey) can end the process.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its C core writes to standard error past every log; what matters reaches us too
