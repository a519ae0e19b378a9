"""Runs in a Pod of a cluster that is to be added: does the hub answer from here, and is it the one with our CA?

Standard library only, since it runs in the agent's image of any version. Ends with a line on stderr that names the failing step, and with an
exit status of its own for each (hub/cli/reaching.py knows them); when all is well it answers /readyz, so that the Pod becomes ready.
"""

import http.server
import os
import socket
import ssl
import sys

TIMEOUT_S = 10.0
NOT_RESOLVED, NOT_CONNECTED, NOT_TRUSTED, NOT_TLS = 11, 12, 13, 14


def reach(what: str, address: str, ca: str) -> tuple[int, str]:
    """Return the exit status and the words for what fails on the way to an address, (0, "") when nothing does."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        found = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    except OSError as problem:
        return NOT_RESOLVED, f"{what} {address}: the name does not resolve in this cluster: {problem}"
    try:
        plain = socket.create_connection((str(found[0][4][0]), int(port)), timeout=TIMEOUT_S)
    except OSError as problem:
        return (
            NOT_CONNECTED,
            f"{what} {address}: no connection: {problem}; is a firewall or a network policy between?",
        )
    context = ssl.create_default_context(cadata=ca)
    # No stricter than the link itself: newer Pythons ask for extensions of a certificate that gRPC does not need.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["h2"])
    try:
        with plain, context.wrap_socket(plain, server_hostname=host):
            return 0, ""
    except ssl.SSLCertVerificationError as problem:
        return (
            NOT_TRUSTED,
            f"{what} {address}: what answers has no certificate of this hub's CA for {host}: {problem.verify_message}",
        )
    except OSError as problem:
        return NOT_TLS, f"{what} {address}: what answers does not speak TLS 1.3: {problem}"


class Ready(http.server.BaseHTTPRequestHandler):
    """Says that everything was reached."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return


class Server(http.server.HTTPServer):
    address_family = socket.AF_INET6 if ":" in os.environ["POD_IP"] else socket.AF_INET


for name, variable in (("enrol address", "ENROL_ADDRESS"), ("session address", "ADDRESS")):
    status, failure = reach(name, os.environ[variable], os.environ["CA"])
    if status:
        print(failure, file=sys.stderr)
        sys.exit(status)
Server((os.environ["POD_IP"], 8082), Ready).serve_forever()
