import json
from typing import Any

import pytest
import yaml

from hub.cli.views import GIT_REPOSITORIES, KUSTOMIZATIONS, View, shortened
from tests.hub.cli.support import SPECS, World, artifact, condition

COMMIT = "696f056df216eea4f9401adbee0ff744d4df390f"


def resource(view: View, name: str, **given: Any) -> dict[str, Any]:
    namespace = given.pop("namespace", "flux-system")
    metadata = {"name": name, "namespace": namespace, "labels": given.pop("labels", {})}
    spec = SPECS[view.kind] | given.pop("spec", {})
    return {"kind": view.kind.value, "metadata": metadata, "spec": spec, "status": given}


def fetched(name: str = "podinfo", **given: Any) -> dict[str, Any]:
    revision = f"main@sha1:{COMMIT}"
    one = resource(GIT_REPOSITORIES, name, artifact=artifact(revision), **given)
    return condition(one, "Ready", "True", f"Fetched revision: {revision}")


@pytest.fixture
def world() -> World:
    world = World()
    world.management.put(GIT_REPOSITORIES.resource, fetched())
    world.management.put(KUSTOMIZATIONS.resource, resource(KUSTOMIZATIONS, "web", labels={"tier": "prod"}))
    return world


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"main@sha1:{COMMIT}", "main@sha1:696f056d"),
        ("v1.0.0@sha256:" + "ab" * 32, "v1.0.0@sha256:abababab"),
        ("sha1:abcdef", "sha1:abcdef"),
        ("no number " + "g" * 40, "no number " + "g" * 40),
    ],
)
def test_long_digests_are_cut(text: str, shown: str) -> None:
    assert shortened(text) == shown


def test_a_source_is_listed_as_flux_does(world: World) -> None:
    result = world.run("get", "sources", "git")
    assert result.stdout == (
        "NAME   \tREVISION          \tSUSPENDED\tREADY\tMESSAGE                             \t\n"
        "podinfo\tmain@sha1:696f056d\tFalse    \tTrue \tFetched revision: main@sha1:696f056d\t\n"
    )


def test_what_nobody_looked_at_yet_waits(world: World) -> None:
    result = world.run("get", "ks", "--no-header")
    cells = [cell.strip() for cell in result.stdout.split("\t")]
    assert cells[:5] == ["web", "", "False", "False", "waiting to be reconciled"]


@pytest.mark.parametrize("words", [("source", "git"), ("sources", "gitrepository"), ("sources", "all")])
def test_kinds_answer_to_the_names_that_flux_gives_them(world: World, words: tuple[str, ...]) -> None:
    result = world.run("get", *words)
    assert result.exit_code == 0, result.output
    assert "podinfo" in result.stdout


def test_all_is_one_table_per_kind_with_kinds_in_the_names(world: World) -> None:
    world.management.remove("customresourcedefinitions", "", "fleets.fleet.cartwheel.dev")
    lines = world.run("get", "all").stdout.splitlines()
    assert [line.split("\t")[0].strip() for line in lines] == [
        "NAME",
        "gitrepository/podinfo",
        "",
        "NAME",
        "kustomization/web",
        "",
    ]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (("--status-selector", "ready=true"), True),
        (("--status-selector", "Ready=False"), False),
        (("--status-selector", "ready!=true"), False),
        (("--status-selector", "stalled=true"), False),
        (("--status-selector", "stalled!=true"), True),
        (("-l", "a=b"), False),
        (("nope",), False),
        (("podinfo",), True),
        (("-n", "other"), False),
        (("-A",), True),
    ],
)
def test_a_listing_is_narrowed(world: World, options: tuple[str, ...], found: bool) -> None:
    result = world.run("get", "sources", "git", *options)
    assert ("podinfo" in result.stdout) is found
    assert result.exit_code == (0 if found else 1)


def test_a_namespace_may_stand_before_the_command_or_after_it(world: World) -> None:
    world.management.put(GIT_REPOSITORIES.resource, fetched("other", namespace="apps"))
    for arguments in (("-n", "apps", "get", "sources", "git"), ("get", "sources", "git", "-n", "apps")):
        assert "other" in world.run(*arguments).stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), 'no GitRepository objects found in "apps" namespace'),
        (("web",), "GitRepository object 'web' not found in \"apps\" namespace"),
        (("--status-selector", "ready"), "write ready=false"),
    ],
)
def test_an_empty_listing_says_what_was_looked_for(
    world: World, options: tuple[str, ...], message: str
) -> None:
    result = world.run("get", "sources", "git", "-n", "apps", *options)
    assert result.exit_code == 1
    assert message in result.stderr


def test_json_and_yaml_are_for_programs(world: World) -> None:
    listed = json.loads(world.run("get", "sources", "git", "-o", "json").stdout)
    assert [one["metadata"]["name"] for one in listed["items"]] == ["podinfo"]
    one = yaml.safe_load(world.run("get", "sources", "git", "podinfo", "-o", "yaml").stdout)
    assert one["kind"] == "GitRepository"


def test_watching_prints_what_changes_without_the_header_again(world: World) -> None:
    world.management.while_watched(
        lambda: world.management.put(
            GIT_REPOSITORIES.resource, fetched(spec={"url": "https://example.com/x"})
        )
    )
    result = world.run("get", "sources", "git", "--watch")
    lines = [line.split("\t")[0].strip() for line in result.stdout.splitlines() if line.strip()]
    assert lines == ["NAME", "podinfo", "podinfo"]


def test_everything_is_watched_together(world: World) -> None:
    def change() -> None:
        web = resource(KUSTOMIZATIONS, "web", spec={"suspend": True})
        world.management.put(KUSTOMIZATIONS.resource, web)
        world.management.put(GIT_REPOSITORIES.resource, fetched("other"))

    world.management.while_watched(change, watches=4)
    result = world.run("get", "all", "--watch", "--no-header")
    lines = [line.split("\t")[0].strip() for line in result.stdout.splitlines() if line.strip()]
    assert lines[:2] == ["gitrepository/podinfo", "kustomization/web"]
    assert sorted(lines[2:]) == ["gitrepository/other", "gitrepository/other", "kustomization/web"]
