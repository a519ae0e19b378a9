"""Free ports of 127.0.0.1 for servers that come and go.

They lie below the range from which the kernel takes ports of outgoing connections: a client that dials a dead server's port in that
range can get the very port as its own and then talks to itself, and the server can't come back.
"""

import random
import socket

SERVERS = (20000, 29999)
NODE_PORTS = (30000, 32767)


def free_port(span: tuple[int, int] = SERVERS, count: int = 1) -> int:
    """Return a port that is free now, as are those after it when `count` is more than one."""
    while True:
        port = random.randint(span[0], span[1] - count + 1)
        if all(_is_free(port + number) for number in range(count)):
            return port


def free_address() -> str:
    """Return a HOST:PORT to install a hub at: it listens at two node ports, the second follows the first."""
    return f"127.0.0.1:{free_port(NODE_PORTS, count=2)}"


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
