import asyncio
from pathlib import Path

import pytest

from hub.build.errors import BuildFailed, LimitExceeded
from hub.build.render import BuildRequest, RenderLimits, RenderPool, RenderUnavailable, find_render
from tests.hub.build.adapter import config_map, renderer, renderers


def request(name: str) -> BuildRequest:
    files = {"kustomization.yaml": b"resources: [a.yaml]", "a.yaml": config_map(name).encode()}
    return BuildRequest(files=files, path=".")


async def name_of(pool: RenderPool, name: str) -> str:
    (resource,) = await pool.build(request(name))
    built: str = resource.object["metadata"]["name"]
    return built


def bomb() -> BuildRequest:
    """A small tree that is large in memory."""
    levels = "".join(f"x{i + 1}: &x{i + 1} [{', '.join([f'*x{i}'] * 9)}]\n" for i in range(9))
    content = config_map("a") + "x0: &x0 [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + levels
    return BuildRequest(
        files={"kustomization.yaml": b"resources: [a.yaml]", "a.yaml": content.encode()}, path="."
    )


async def test_answers_belong_to_their_requests() -> None:
    async with renderers(size=2) as pool:
        names = [f"n{i}" for i in range(20)]
        assert await asyncio.gather(*(name_of(pool, name) for name in names)) == names


async def test_a_tree_that_needs_too_much_memory_hurts_only_itself() -> None:
    async with renderers(size=2, limits=RenderLimits(time_s=300, memory_bytes=256 << 20)) as pool:
        results = await asyncio.gather(pool.build(bomb()), name_of(pool, "a"), return_exceptions=True)
        assert isinstance(results[0], LimitExceeded)
        assert "memory" in str(results[0])
        assert results[1] == "a"
        assert await name_of(pool, "b") == "b"


async def test_a_build_that_takes_too_long_is_ended() -> None:
    async with renderers(limits=RenderLimits(time_s=0.0)) as pool:
        with pytest.raises(LimitExceeded, match="not finished after 0 s"):
            await name_of(pool, "a")
        pool.limits = RenderLimits()
        assert await name_of(pool, "b") == "b"


async def test_a_result_that_is_too_large_is_refused() -> None:
    async with renderers(limits=RenderLimits(output_bytes=50)) as pool:
        with pytest.raises(LimitExceeded, match="50 are allowed"):
            await name_of(pool, "a")


async def test_a_tree_that_is_too_large_is_refused() -> None:
    async with renderers(limits=RenderLimits(input_bytes=50)) as pool:
        with pytest.raises(LimitExceeded, match="50 are allowed"):
            await name_of(pool, "a")


async def test_a_cancelled_build_gives_its_answer_to_nobody() -> None:
    async with renderers() as pool:
        assert await name_of(pool, "warm") == "warm"
        cancelled = asyncio.ensure_future(name_of(pool, "old"))
        await asyncio.sleep(0)
        cancelled.cancel()
        assert await name_of(pool, "new") == "new"
        assert cancelled.cancelled()


async def test_a_renderer_that_dies_is_replaced(tmp_path: Path) -> None:
    marker = tmp_path / "died"
    script = tmp_path / "render"
    script.write_text(
        f"#!/bin/sh\n[ -e {marker} ] && exec {renderer()} \"$@\"\n: > {marker}\necho 'fatal error: boom' >&2\nexit 3\n"
    )
    script.chmod(0o755)
    pool = RenderPool(script, 1)
    try:
        with pytest.raises(RenderUnavailable, match=r"ended during a build \(status 3\): fatal error: boom"):
            await name_of(pool, "a")
        assert await name_of(pool, "a") == "a"
    finally:
        await pool.close()


async def test_a_closed_pool_builds_nothing() -> None:
    async with renderers() as pool:
        assert await name_of(pool, "a") == "a"
    with pytest.raises(RenderUnavailable):
        await name_of(pool, "a")


async def test_a_renderer_that_is_not_there_is_named(tmp_path: Path) -> None:
    pool = RenderPool(tmp_path / "nothing", 1)
    with pytest.raises(RenderUnavailable, match="nothing does not start: No such file"):
        await name_of(pool, "a")
    with pytest.raises(RenderUnavailable, match="make tools"):
        find_render(str(tmp_path / "nothing"))


async def test_what_kustomize_says_is_passed_on() -> None:
    async with renderers() as pool:
        with pytest.raises(
            BuildFailed, match=r"^kustomize build failed: accumulating .*: 'app/b\.yaml' doesn't exist"
        ):
            await pool.build(
                BuildRequest(files={"app/kustomization.yaml": b"resources: [b.yaml]"}, path="app")
            )
