"""All tests of one process see gRPC as the programs do."""

import agent  # noqa: F401  (it says which TLS gRPC may speak, which counts only before grpc is imported)
