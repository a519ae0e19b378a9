"""Free ports of 127.0.0.1 for servers that come and go.

They lie below the range from which the kernel takes ports of outgoing connections: what is free there now may be a client's in a moment,
and a client that dials a dead server's port in that range can get the very port as its own and then talks to itself.
"""

import secrets
import socket

SERVERS = (20000, 29999)


def free_port(span: tuple[int, int] = SERVERS, count: int = 1) -> int:
    """Return a port that is free now, as are those after it when `count` is more than one."""
    while True:
        port = span[0] + secrets.randbelow(span[1] - span[0] - count + 2)
        if all(_is_free(port + number) for number in range(count)):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
