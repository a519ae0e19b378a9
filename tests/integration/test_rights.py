"""The rights that the hub is installed with cover all that it does."""

from pathlib import Path
from typing import Any

import yaml

from hub.crds import packaged
from hub.model.installation import NAMESPACE
from hub.model.kinds import Kind
from hub.resources import resource_of
from hub.sandbox.calls import Call
from tests.integration.fleet import fleet, form

ROLES = Path(__file__).parents[2] / "deploy" / "hub" / "rbac.yaml"
VERBS = {"apply": "patch"}


def roles() -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(ROLES.read_text()) if "rules" in one]


def allows(role: dict[str, Any], call: Call) -> bool:
    """Tell whether a role covers a request; a Role is for its own namespace."""
    if role["kind"] == "Role" and call.namespace != role["metadata"]["namespace"]:
        return False
    resource = f"{call.resource}/{call.subresource}" if call.subresource else call.resource
    verb = VERBS.get(call.verb, call.verb)
    return any(resource in rule["resources"] and verb in rule["verbs"] for rule in role["rules"])


async def test_the_hub_may_do_all_that_it_does(tmp_path: Path) -> None:
    async with fleet(tmp_path) as found:
        found.add("east")
        found.deliver(path="./app", targetNamespace="default")
        rollout = {"fleet": "prod", "source": {"kind": "GitRepository", "name": "app"}, "candidates": []}
        found.put(
            resource_of(Kind.ROLLOUT), form(Kind.ROLLOUT, {"name": "r", "namespace": "flux-system"}, rollout)
        )
        manifest = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {text: one}\n"
        made = found.repository.commit({"app/a.yaml": manifest})
        await found.until(lambda: found.is_applied(made))
        for kind in (Kind.KUSTOMIZATION, Kind.GIT_REPOSITORY):
            found.management.delete(resource_of(kind), "flux-system", "app")
        await found.until(lambda: not found.management.list(resource_of(Kind.KUSTOMIZATION)).items)
        found.management.delete(resource_of(Kind.CLUSTER), "flux-system", "east")
        await found.until(lambda: not found.management.list(resource_of(Kind.CLUSTER)).items)

        calls = {call for call in found.management.calls if call.user in ("hub", "hub-0") and call.resource}
        assert {call for call in calls if not any(allows(role, call) for role in roles())} == set()
        written = {call.resource for call in calls if call.is_write}
        assert {
            "clusters",
            "kustomizations",
            "gitrepositories",
            "fleets",
            "rollouts",
            "events",
            "leases",
            "secrets",
        } <= written


def test_the_hub_follows_all_its_kinds_and_makes_and_deletes_none() -> None:
    for definition in packaged():
        plural = definition["spec"]["names"]["plural"]
        for verb in ("get", "list", "watch"):
            assert any(
                allows(role, Call(verb=verb, user="hub", path="", resource=plural)) for role in roles()
            ), plural
        for verb in ("create", "delete", "deletecollection", "update"):
            call = Call(verb=verb, user="hub", path="", resource=plural, namespace=NAMESPACE)
            assert not any(allows(role, call) for role in roles()), plural
