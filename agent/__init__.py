"""The agent, and the base that the hub is built on."""

import os

# gRPC takes TLS 1.2 and has no option against it. What this names is for 1.2 alone and fits no key of ours, which are of elliptic curves;
# 1.3 has ciphers of its own. It is read when grpc is imported, so it is said before anything else is.
os.environ.setdefault("GRPC_SSL_CIPHER_SUITES", "ECDHE-RSA-AES256-GCM-SHA384")
