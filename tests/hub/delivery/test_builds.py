"""What is built anew, and what is kept: kustomize runs when something that it reads is different."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from agent.kit.telemetry import Telemetry
from agent.kit.tracing import NO_TRACE
from agent.model.names import Digest, HomeName
from hub.artifacts.contents import TreeDigest
from hub.build.decrypt import Decryption
from hub.build.errors import BuildFailed
from hub.build.files import Files
from hub.build.render import BuildRequest, Rendered
from hub.build.sops.keyring import Keyring
from hub.delivery.builds import Builds
from hub.delivery.bundle import Assembly
from hub.delivery.candidate import Candidate
from tests.hub.build.adapter import tree
from tests.hub.delivery.samples import delivery
from tests.hub.hand import at_once

HOME = HomeName(kind="Kustomization", namespace="apps", name="webapp")


@dataclass
class Bench:
    """Builds of one delivery from trees that are named by their number; a request without these files fails."""

    lacks: str = ""
    keys: str = ""
    trees: list[Mapping[str, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.builds = Builds(self, self, Telemetry(), at_once)

    def opened(self, digest: TreeDigest) -> Files | None:
        return None

    def tree(self, digest: TreeDigest) -> Files | None:
        return Files(self.trees[int(digest)])

    async def build(self, request: BuildRequest) -> list[Rendered]:
        if self.lacks and self.lacks not in request.files:
            raise BuildFailed("there is a file missing")
        return []

    async def of(self, files: Mapping[str, bytes], **spec: Any) -> Assembly:
        self.trees.append(files)
        found = delivery(spec={"path": "./app"} | spec)
        number = str(len(self.trees) - 1)
        candidate = Candidate(source="s", revision=number, tree=Digest(number), spec=found.raw_spec)
        decryption = Decryption(keys=Keyring(), identity=self.keys) if self.keys else None
        return await self.builds.assembly(found, candidate, HOME, NO_TRACE, decryption)


async def test_a_commit_elsewhere_is_no_build() -> None:
    bench = Bench()
    first = await bench.of(tree(app__a_yaml="a: 1", other__b_yaml="b: 1"))
    assert await bench.of(tree(app__a_yaml="a: 1", other__b_yaml="b: 2")) is first
    assert bench.builds.runs == 1


async def test_other_keys_are_another_build() -> None:
    bench = Bench()
    files = tree(app__a_yaml="a: 1")
    clear = await bench.of(files)
    bench.keys = "1"
    first = await bench.of(files)
    assert first is not clear
    assert await bench.of(files) is first
    bench.keys = "2"
    assert await bench.of(files) is not first
    assert bench.builds.runs == 3


@pytest.mark.parametrize(
    "files",
    [
        pytest.param(tree(app__a_yaml="a: ../base", base__b_yaml="b: 2"), id="a file that is pointed at"),
        pytest.param(tree(app__a_yaml="a: ../base ", base__b_yaml="b: 1"), id="a file"),
        pytest.param(tree(app__a_yaml="a: ../base", app__c_yaml="", base__b_yaml="b: 1"), id="a new file"),
        pytest.param(tree(app__c_yaml="a: ../base", base__b_yaml="b: 1"), id="a renamed file"),
    ],
)
async def test_what_kustomize_would_read_is_built_anew(files: Mapping[str, bytes]) -> None:
    bench = Bench()
    first = await bench.of(tree(app__a_yaml="a: ../base", base__b_yaml="b: 1"))
    assert await bench.of(files) is not first
    assert bench.builds.runs == 2


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"commonMetadata": {"labels": {"team": "web"}}}, id="labels"),
        pytest.param({"namePrefix": "x-"}, id="prefix"),
        pytest.param({"images": [{"name": "web", "newTag": "2"}]}, id="image"),
    ],
)
async def test_a_spec_that_builds_something_else_is_built_anew(spec: dict[str, Any]) -> None:
    bench = Bench()
    first = await bench.of(tree(app__a_yaml="a: 1"))
    assert await bench.of(tree(app__a_yaml="a: 1"), **spec) is not first


async def test_a_component_that_may_be_missing_is_built_when_it_comes() -> None:
    bench = Bench()
    spec = {"components": ["../extra"], "ignoreMissingComponents": True}
    first = await bench.of(tree(app__a_yaml="a: 1"), **spec)
    assert await bench.of(tree(app__a_yaml="a: 1", other__b_yaml="b: 1"), **spec) is first
    extra = tree(app__a_yaml="a: 1", extra__kustomization_yaml="kind: Component")
    assert await bench.of(extra, **spec) is not first


async def test_a_build_of_the_root_follows_every_commit() -> None:
    bench = Bench()
    first = await bench.of(tree(a_yaml="a: 1", README="one"), path="./")
    assert await bench.of(tree(a_yaml="a: 1", README="two"), path="./") is not first


async def test_what_needed_the_whole_tree_is_built_with_every_commit() -> None:
    bench = Bench(lacks="other/b.yaml")
    first = await bench.of(tree(app__a_yaml="a: 1", other__b_yaml="b: 1"))
    assert await bench.of(tree(app__a_yaml="a: 1", other__b_yaml="b: 2")) is not first
    assert bench.builds.runs == 2
