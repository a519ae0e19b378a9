"""Access is decided by what a server stores now."""

from hub.sandbox.access.rbac import GROUP, authorize
from hub.sandbox.access.request_info import Attributes
from hub.sandbox.access.stored import StoredPolicies
from hub.sandbox.storage import Storage
from hub.sandbox.wire import Caller
from tests.hub.sandbox.access.policies import known_policies

_BOB = Caller(name="access-bob")
_GET = Attributes(verb="get", resource="configmaps", namespace="access")


def test_a_stored_binding_allows_until_it_is_removed() -> None:
    storage = Storage()
    for one in known_policies().objects:
        place = (one["metadata"].get("namespace", ""), one["metadata"]["name"])
        storage.put((GROUP, f"{one['kind'].lower()}s"), place, one)
    policies = StoredPolicies(storage)
    expected = authorize(known_policies(), _BOB, _GET)
    assert expected.allowed
    assert authorize(policies, _BOB, _GET) == expected
    lost = Caller(name="access-lost")
    assert authorize(policies, lost, _GET) == authorize(known_policies(), lost, _GET)
    storage.remove((GROUP, "rolebindings"), ("access", "readers"))
    assert not authorize(policies, _BOB, _GET).allowed
