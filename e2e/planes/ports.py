"""Free ports of 127.0.0.1 for servers that come and go.

They lie below the range from which the kernel takes ports of outgoing connections: a client that dials a dead server's port in that
range can get the very port as its own and then talks to itself, and the server can't come back.
"""

import random
import socket

SERVERS = (20000, 29999)
NODE_PORTS = (30000, 32767)


def free_port(span: tuple[int, int] = SERVERS) -> int:
    """Return a port that is free now."""
    while True:
        port = random.randint(*span)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
