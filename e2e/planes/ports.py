"""The ports at which hubs on planes listen."""

from hub.sandbox.ports import free_port

NODE_PORTS = (30000, 32767)


def free_address() -> str:
    """Return a HOST:PORT to install a hub at: it listens at two node ports, the second follows the first."""
    return f"127.0.0.1:{free_port(NODE_PORTS, count=2)}"
