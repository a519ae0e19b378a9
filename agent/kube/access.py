"""How to reach an API server and as whom: from the Pod's own service account, or from a kubeconfig.

The `kubernetes` package reads kubeconfigs (exec plug-ins and all that); it is imported only there, since it costs 47 MB.
"""

import asyncio
import base64
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.kit.clock import Clock
from agent.kit.errors import Stalled

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TOKEN_AGE_S = 60.0
"""A token file is read anew after that long: the kubelet replaces it long before it ends."""

# asyncio reads TLS into a buffer of 256 KiB per connection, and a watch is a connection.
_TLS_BUFFER_BYTES = 32 << 10


class AccessInvalid(Stalled):
    """The credentials for an API server cannot be read."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="AccessInvalid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """A server, the TLS context for it (None for plain HTTP), and what gives the authorization header (empty: none)."""

    server: str
    tls: ssl.SSLContext | None
    authorization: Callable[[], str]


def in_cluster(clock: Clock, folder: Path = SERVICE_ACCOUNT) -> Access:
    """Return the access of the Pod's service account. Raises AccessInvalid outside of a Pod."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT")
    if not host or not port:
        raise AccessInvalid("this process runs in no Pod: KUBERNETES_SERVICE_HOST and _PORT are not set")
    token = _TokenFile(folder / "token", clock)
    token()
    try:
        tls = _tls(cafile=str(folder / "ca.crt"))
    except OSError as problem:
        raise AccessInvalid(f"cannot read {folder / 'ca.crt'}: {problem}") from problem
    host = f"[{host}]" if ":" in host else host
    return Access(server=f"https://{host}:{port}", tls=tls, authorization=token)


def from_kubeconfig(path: str | None = None, context: str | None = None) -> Access:
    """Return the access of a kubeconfig's context; None means kubectl's default. Raises AccessInvalid."""
    from kubernetes.client import Configuration
    from kubernetes.config import ConfigException, load_kube_config
    from yaml import YAMLError

    found = Configuration()
    try:
        load_kube_config(config_file=path, context=context, client_configuration=found)
    except (ConfigException, YAMLError, OSError, ValueError) as problem:
        raise AccessInvalid(_explained(path, context, problem)) from problem
    tls = None
    if found.host.startswith("https"):
        tls = _tls(cafile=found.ssl_ca_cert)
        if not found.verify_ssl:
            tls.check_hostname = False
            tls.verify_mode = ssl.CERT_NONE
        if found.cert_file:
            tls.load_cert_chain(found.cert_file, found.key_file)
    return Access(server=found.host.rstrip("/"), tls=tls, authorization=_header_of(found))


def _explained(path: str | None, context: str | None, problem: Exception) -> str:
    """Say what is wrong with a kubeconfig: it is not there, it has no such context, or what the library says of it."""
    from kubernetes.config import ConfigException, list_kube_config_contexts
    from yaml import YAMLError

    # As kubectl has it, several files with a colon between are one kubeconfig.
    named = path or os.environ.get("KUBECONFIG") or "~/.kube/config"
    if not any(Path(one).expanduser().exists() for one in named.split(os.pathsep)):
        return f"there is no kubeconfig {named}"
    try:
        contexts, _ = list_kube_config_contexts(path)
    except (ConfigException, YAMLError, OSError, ValueError):
        contexts = []
    names = sorted(str(one["name"]) for one in contexts)
    if context is not None and names and context not in names:
        return f"kubeconfig {named} has no context {context!r}; it has {', '.join(names)}"
    return f"cannot use kubeconfig {named}: {problem}"


def shrink_tls_buffers() -> None:
    """Make asyncio's TLS connections small; for the whole process, called once by `main`."""
    asyncio.sslproto.SSLProtocol.max_size = _TLS_BUFFER_BYTES  # type: ignore[attr-defined]


class _TokenFile:
    """A bearer token in a file that is replaced now and then."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._header = ""
        self._read_s = float("-inf")

    def __call__(self) -> str:
        now_s = self._clock.monotonic_s()
        if now_s - self._read_s > TOKEN_AGE_S:
            try:
                self._header = f"Bearer {self._path.read_text().strip()}"
            except OSError as problem:
                if not self._header:
                    raise AccessInvalid(f"cannot read {self._path}: {problem}") from problem
            self._read_s = now_s
        return self._header


def _tls(cafile: str | None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=cafile or None)


def _header_of(configuration: Any) -> Callable[[], str]:
    """Return what asks the configuration each time, so that exec plug-ins and token files stay fresh."""

    def header() -> str:
        if configuration.username:
            pair = f"{configuration.username}:{configuration.password or ''}".encode()
            return "Basic " + base64.b64encode(pair).decode()
        return str(configuration.get_api_key_with_prefix("BearerToken") or "")

    return header
