"""A prune of one object that would take many along is held, and says so, until a person approves it."""

from e2e.scenarios.fleet import Fleet, config_map, namespace_manifest
from e2e.scenarios.single import delivered
from e2e.servers.git_http import GitHttp

FOREIGN = 12


def test_a_namespace_with_what_others_made_in_it_goes_only_when_that_is_approved(
    fleet: Fleet, git_server: GitHttp, namespace: str
) -> None:
    shop = f"{namespace}-shop"
    files = {
        "shop": namespace_manifest(shop),
        "inside": config_map("inside", shop, text="one"),
        "a": config_map("a", f"{namespace}-work", text="one"),
        "b": config_map("b", f"{namespace}-work", text="one"),
    }
    with delivered(fleet, git_server, namespace, files) as found:
        fleet.until_ready(namespace)
        for number in range(FOREIGN):
            found.plane.kubectl("create", "configmap", f"theirs-{number}", "-n", shop)
        found.commit({"shop": None, "inside": None})

        def held() -> str:
            return fleet.condition("kustomization", namespace, "PruneHeld")[2]

        fleet.until(held, lambda: str(fleet.ready(namespace)))
        assert f"2 objects (Namespace/{shop} with {FOREIGN} objects in it) would be deleted" in held()
        for name in ("inside", "theirs-0"):
            assert found.plane.get("configmap", name, "-n", shop) is not None
        fleet.hub("approve", "prune", namespace)
        fleet.until(lambda: found.plane.get("namespace", shop) is None, lambda: str(fleet.ready(namespace)))
        fleet.until(lambda: fleet.is_ready(namespace) and not held())
