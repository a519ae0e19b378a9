"""Builds through the real renderer: what Flux's rules generate, and what a hostile tree must not reach."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from e2e import tools
from hub.build.errors import BuildFailed, LimitExceeded
from hub.build.kustomize import PathNotFound, build
from hub.build.objects import Marks, finish
from hub.build.render import RenderLimits, RenderPool

CONFIG_MAP = (
    b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {home: '${HOME}', price: '$$5'}\n"
)
NAMES_A_RESOURCE = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [%s]\n"


@pytest.fixture
async def pool() -> AsyncIterator[RenderPool]:
    pool = RenderPool(command=tools.ensure("render"), size=1)
    yield pool
    await pool.close()


async def built(pool: RenderPool, files: Mapping[str, bytes], **spec: Any) -> list[dict[str, Any]]:
    return [rendered.object for rendered in await build(pool, files, spec)]


async def test_manifests_without_a_kustomization_file_are_found_below_the_path(pool: RenderPool) -> None:
    files = {"apps/a.yaml": CONFIG_MAP, "apps/notes.txt": b"no manifest", "other/b.yaml": b"kind: [broken"}
    (settings,) = await built(pool, files, path="./apps", targetNamespace="web", namePrefix="eu-")
    assert settings["metadata"] == {"name": "eu-settings", "namespace": "web"}


async def test_dollars_arrive_as_they_were_written(pool: RenderPool) -> None:
    (settings,) = await built(pool, {"a.yaml": CONFIG_MAP})
    assert settings["data"] == {"home": "${HOME}", "price": "$$5"}


async def test_an_empty_tree_gives_no_objects(pool: RenderPool) -> None:
    assert await built(pool, {}) == []


async def test_a_missing_path_is_named(pool: RenderPool) -> None:
    with pytest.raises(PathNotFound, match="kustomization path not found: apps/missing"):
        await built(pool, {"a.yaml": CONFIG_MAP}, path="apps/missing")


async def test_a_broken_file_is_named(pool: RenderPool) -> None:
    with pytest.raises(BuildFailed, match=r"broken\.yaml"):
        await built(pool, {"broken.yaml": b"apiVersion: v1\nkind: [ConfigMap\n"})


@pytest.mark.parametrize(
    "resource",
    [
        "/etc/hostname",
        "../../../etc/hostname",
        "/proc/self/environ",
        "/var/run/secrets/kubernetes.io/serviceaccount/token",
        "http://127.0.0.1:9/a.yaml",
        "git::https://127.0.0.1:9/repository",
    ],
)
async def test_nothing_outside_the_tree_is_read(pool: RenderPool, resource: str) -> None:
    tree = {"kustomization.yaml": (NAMES_A_RESOURCE % resource).encode()}
    with pytest.raises(BuildFailed):
        await built(pool, tree)


async def test_a_build_out_of_time_is_stopped_and_the_next_one_runs() -> None:
    pool = RenderPool(command=tools.ensure("render"), size=1, limits=RenderLimits(time_s=0.0001))
    try:
        with pytest.raises(LimitExceeded, match="not finished after"):
            await built(pool, {"a.yaml": CONFIG_MAP})
        pool.limits = RenderLimits()
        assert len(await built(pool, {"a.yaml": CONFIG_MAP})) == 1
    finally:
        await pool.close()


async def test_objects_carry_their_owner_and_the_common_metadata(pool: RenderPool) -> None:
    marks = Marks(name="apps", namespace="flux-system", labels={"team": "web"}, annotations={})
    (settings,) = finish(await built(pool, {"a.yaml": CONFIG_MAP}), marks)
    assert settings["metadata"]["labels"] == {
        "kustomize.toolkit.fluxcd.io/name": "apps",
        "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
        "team": "web",
    }
