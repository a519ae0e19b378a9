"""Where the server behind an APIService is: the Service that it names, and the address that leads there. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from agent.kube.api import Object
from hub.sandbox.storage import Place, Storage

SERVICES = ("", "services")
Routes = Mapping[tuple[str, str, int], str]
"""What takes the place of a cluster's network: namespace and name of a Service and its port, to host and port."""


class Away(Exception):
    """There is no way to a server. `reason` is what the APIService's condition says."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """A server that answers for a group in a version. `host` has the port; `authority` is what its certificate is trusted by (PEM)."""

    group: str
    version: str
    host: str
    name: str
    authority: bytes
    is_trusted: bool

    @property
    def root(self) -> str:
        """Return the path below which it answers."""
        return f"/apis/{self.group}/{self.version}"


def backend_of(spec: Object, storage: Storage, routes: Routes, *, authority: bytes) -> Backend:
    """Return the server that an APIService's spec names. Raises Away."""
    service = spec["service"]
    namespace, name, port = service["namespace"], service["name"], service["port"]
    found = storage.get(SERVICES, (namespace, name))
    if found is None:
        raise Away("ServiceNotFound", f'service/{name} in "{namespace}" is not present')
    return Backend(
        group=spec["group"],
        version=spec["version"],
        host=_host(found["spec"], (namespace, name), port, routes),
        name=f"{name}.{namespace}.svc",
        authority=authority,
        is_trusted=bool(spec.get("insecureSkipTLSVerify")),
    )


def _host(spec: Object, place: Place, port: int, routes: Routes) -> str:
    namespace, name = place
    if spec.get("type") == "ExternalName":
        return f"{spec['externalName']}:{port}"
    if port not in [one["port"] for one in spec.get("ports") or ()]:
        raise Away("ServicePortError", f'service/{name} in "{namespace}" is not listening on port {port}')
    if (namespace, name, port) not in routes:
        raise Away("MissingEndpoints", f'endpoints for service/{name} in "{namespace}" have no addresses')
    return routes[namespace, name, port]
