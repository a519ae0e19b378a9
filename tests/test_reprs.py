"""What holds a secret does not show it when somebody prints it, as in a log of a defect."""

from datetime import UTC, datetime

import pytest

from agent.link.identity import Credentials
from agent.model.content import Manifest, digest_of
from agent.model.head import Head
from agent.model.link import Assign
from agent.model.names import ObjectRef
from hub.build.substitute import Substitution
from hub.cli.manifests import Address, AgentChoices
from hub.delivery.variables import SecretValues, Variables
from hub.gateway.ca import Issued
from hub.model.gitrepository import GitRef
from hub.sources.credentials import AuthOptions
from hub.sources.fetch import GitRequest, Order

SECRET = "hunter2-x"
RAW = SECRET.encode()
ADDRESS = Address(host="hub.example", port=7443)
AUTH = AuthOptions(
    transport="https",
    host="git.example",
    username="me",
    password=SECRET,
    bearer_token=SECRET,
    identity=RAW,
    client_key=RAW,
)
REQUEST = GitRequest(url=f"https://me:{SECRET}@git.example/x", ref=GitRef(), auth=AUTH, timeout_s=1.0)
HOLDERS = [
    Credentials(key=RAW),
    Manifest.of({"apiVersion": "v1", "data": SECRET}, ObjectRef("", "ConfigMap", "a", "b")),
    Head(raw_assignment=b"{}", base=b"", overlay=b"", inline={digest_of(RAW): RAW}),
    Assign(assignment=b"{}", inline=(RAW,)),
    Substitution(variables={"A": SECRET}),
    AgentChoices(
        image="i",
        cluster="c",
        cluster_uid="u",
        address=ADDRESS,
        enrol_address=ADDRESS,
        ca_certificate="",
        token=SECRET,
    ),
    SecretValues(A=SECRET),
    Variables(values={"A": SECRET}),
    Issued(certificate=b"", fingerprint="", not_after=datetime(2026, 1, 1, tzinfo=UTC), key=RAW),
    AUTH,
    Order(request=REQUEST, folder="/x"),
]


@pytest.mark.parametrize("holder", HOLDERS, ids=lambda one: type(one).__name__)
def test_a_secret_is_not_shown(holder: object) -> None:
    shown = f"{holder} {holder!r} {[holder]}"
    assert type(holder).__name__ in shown or isinstance(holder, SecretValues)
    assert SECRET not in shown
