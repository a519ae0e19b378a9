"""However long a tenant's files keep a processor busy, whatever else the hub does goes on."""

import asyncio
import threading
from collections.abc import Iterator, Mapping

import pytest

from hub.build import kustomize
from hub.build.render import BuildRequest, Rendered


class Stubborn(Mapping[str, bytes]):
    """A tree that is read only when the event loop has gone on meanwhile."""

    def __init__(self) -> None:
        self.went_on = threading.Event()

    def __getitem__(self, name: str) -> bytes:
        assert self.went_on.wait(10.0), "the event loop stands still"
        return b"{}"

    def __iter__(self) -> Iterator[str]:
        return iter(["app/kustomization.yaml"])

    def __len__(self) -> int:
        return 1


class Nothing:
    """A renderer of nothing."""

    async def build(self, request: BuildRequest) -> list[Rendered]:
        return []


@pytest.mark.parametrize("path", ["app", "."])
async def test_a_tree_is_looked_through_beside_the_event_loop(path: str) -> None:
    tree = Stubborn()
    asyncio.get_running_loop().call_later(0.05, tree.went_on.set)
    assert await kustomize.build(Nothing(), tree, {"path": path}) == []
