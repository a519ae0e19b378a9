"""However an apply is cut off, what follows leaves no orphan and deletes nothing that belongs to others."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.kube.errors import Unreachable
from agent.model.content import Manifest
from hub.sandbox.calls import Call
from hub.sandbox.wire import Answer, Broken
from tests.agent.apply.cluster import Delivery, definition, manifest
from tests.fakes.clock import in_virtual_time

FOREIGN = {"theirs", "adopted-later"}


class Killed(BaseException):
    """The process ends at once."""


class CutAt:
    """Ends the agent at its n-th request, before or after that took effect; later requests pass."""

    def __init__(self, number: int, *, is_done: bool, how: type[BaseException]) -> None:
        self.left = number
        self.is_done = is_done
        self.how = how

    async def before(self, call: Call) -> None:
        if not self.is_done:
            self._count()

    async def after(self, call: Call, answer: Answer) -> Answer:
        if self.is_done:
            self._count()
        return answer

    def _count(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise self.how


def wishes() -> tuple[Manifest, ...]:
    return (
        definition(),
        manifest("Namespace", "apps", namespace=""),
        manifest("Gadget", "gadget", api_version="example.org/v1", namespace="apps"),
        manifest(name="a", namespace="apps"),
        manifest(name="b"),
        manifest("Secret", "c"),
    )


def owned(delivery: Delivery) -> set[str]:
    """Return the names of all objects in the cluster that are the delivery's."""
    found: set[str] = set()
    for resource in delivery.cluster.resources:
        for value in delivery.cluster.list(resource).items:
            if "kustomize.toolkit.fluxcd.io/name" in (value["metadata"].get("labels") or {}):
                found.add(value["metadata"]["name"])
    return found


async def cut_then_emptied(first: tuple[Manifest, ...], cut: CutAt) -> tuple[Delivery, bool]:
    """Converge cut off somewhere, then to nothing. Also return whether there was a cut."""
    delivery = Delivery()
    for name in sorted(FOREIGN):
        delivery.put(manifest(name=name), app="other")
    delivery.cluster.interference = cut
    was_cut = False
    try:
        await delivery.converge(*first)
    except (Unreachable, Killed, asyncio.CancelledError):
        was_cut = True
    delivery.cluster.interference = None
    changes = await delivery.converge()
    assert changes.problem == ""
    return delivery, was_cut


@in_virtual_time
async def test_every_interrupted_prefix_followed_by_nothing_leaves_no_orphan() -> None:
    for how in (Killed, Broken, asyncio.CancelledError):
        for is_done in (False, True):
            number = 0
            was_cut = True
            while was_cut:
                number += 1
                cut = CutAt(number, is_done=is_done, how=how)
                delivery, was_cut = await cut_then_emptied(wishes(), cut)
                assert owned(delivery) == set(), (how, is_done, number)
                assert delivery.names() >= FOREIGN
            assert number > len(wishes()) * 2, (how, is_done)


@in_virtual_time
async def test_every_interrupted_prefix_followed_by_the_same_wish_converges() -> None:
    number = 0
    was_cut = True
    while was_cut:
        number += 1
        was_cut = False
        delivery = Delivery()
        delivery.cluster.interference = CutAt(number, is_done=number % 2 == 0, how=Killed)
        try:
            await delivery.converge(*wishes())
        except Killed:
            was_cut = True
        delivery.cluster.interference = None
        changes = await delivery.converge(*wishes())
        assert changes.problem == ""
        assert owned(delivery) == {one.ref.name for one in wishes()}
        assert len(changes.inventory) == len(wishes())


@in_virtual_time
async def test_an_interrupted_prune_is_finished_by_the_next_pass() -> None:
    for number in range(1, 12):
        delivery = Delivery()
        await delivery.converge(*wishes())
        delivery.cluster.interference = CutAt(number, is_done=True, how=Killed)
        try:
            await delivery.converge()
        except Killed:
            delivery.cluster.interference = None
            await delivery.converge()
        assert owned(delivery) == set()


@settings(deadline=None, max_examples=60)
@given(
    first=st.sets(st.sampled_from("abcdef"), min_size=1),
    second=st.sets(st.sampled_from("abcdef")),
    cuts=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    is_done=st.booleans(),
)
def test_a_cluster_holds_what_was_wished_last_whatever_was_cut_off_before(
    first: set[str], second: set[str], cuts: tuple[int, int], *, is_done: bool
) -> None:
    @in_virtual_time
    async def run() -> None:
        delivery = Delivery()
        delivery.put(manifest(name="theirs"), app="other")
        for wished, number in ((first, cuts[0]), (second, cuts[1])):
            delivery.cluster.interference = CutAt(number, is_done=is_done, how=Killed)
            try:
                await delivery.converge(*(manifest(name=name) for name in sorted(wished)))
            except Killed:
                continue
        delivery.cluster.interference = None
        changes = await delivery.converge(*(manifest(name=name) for name in sorted(second)))
        assert changes.problem == ""
        assert owned(delivery) == second
        assert "theirs" in delivery.names()

    run()
