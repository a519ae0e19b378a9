"""Every message of a session survives the wire, and what is no message is refused by name."""

from dataclasses import replace

import pytest

from agent import wire
from agent.kit.tracing import NO_TRACE, Traceparent
from agent.model.assignment import Hold, HoldReason, Order, Tombstone
from agent.model.content import BundleRef, Entry, digest_of
from agent.model.link import (
    Ack,
    Alive,
    Assign,
    Delta,
    Down,
    Held,
    Hello,
    IndexDelta,
    Keep,
    Kept,
    Mark,
    Nack,
    NoticeAck,
    Refused,
    Resync,
    Up,
    Welcome,
)
from agent.model.names import ClusterId, HomeName, ObjectRef
from agent.model.report import Notice, NoticeKind, Report, Stage, Verdict

TRACE = Traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
HOME = HomeName("Kustomization", "apps", "web")
ORDER = Order(3, 7)
DIGEST = digest_of(b"x")
BUNDLE = BundleRef(base=DIGEST, overlay=digest_of(b"y"))
ENTRY = Entry(ref=ObjectRef("apps", "Deployment", "web", "web"), version="v1", digest=DIGEST, size_bytes=9)

UPS: list[Up] = [
    Hello(
        protocol=1,
        agent_version="0.1.0",
        kubernetes_version="v1.36.3",
        term=3,
        held=(Held(home=HOME, uid="u", candidate=DIGEST, bundle=BUNDLE, substance=DIGEST, order=ORDER),),
        instance="pod",
        features=("delta",),
        kept=(Kept(home=HOME, uid="u"),),
        namespace_uid="uid-of-namespace",
    ),
    Ack(home=HOME, order=ORDER, substance=DIGEST),
    Nack(home=HOME, order=ORDER, reason="Malformed", message="no"),
    Report(
        cluster=ClusterId("c"),
        home=HOME,
        uid="u",
        order=ORDER,
        candidate=DIGEST,
        bundle=DIGEST,
        stage=Stage.FAILED,
        as_of="2026-01-01T00:00:00Z",
        inventory_extra={"a_b__ConfigMap": "v1"},
        exceptions=(Verdict(id="a_b__ConfigMap", reason="Invalid", message="no"),),
        handled={"reconcile": "1"},
        traceparent=TRACE,
    ),
    Notice(
        seq=4,
        home=HOME,
        uid="u",
        kind=NoticeKind.DRIFT_CORRECTED,
        reason="DriftCorrected",
        message="m",
        at="t",
    ),
    Alive(desk_root=DIGEST),
]
DOWNS: list[Down] = [
    Welcome(protocol=1, hub_version="0.1.0", term=4, alive_interval_s=10.0),
    Assign(
        assignment=b"{}",
        signatures=(b"s",),
        revision="main@sha1:abc",
        traceparent=TRACE,
        delta=Delta(
            origin=BUNDLE, base=IndexDelta(set=(ENTRY,), removed=("a_b__Secret",)), overlay=IndexDelta()
        ),
        inline=(b"data",),
    ),
    Assign(assignment=b"{}"),
    Tombstone(home=HOME, uid="u", delete_objects=True, author="me", reason="deleted"),
    Keep(home=HOME, hold=Hold(reason=HoldReason.STARTING, message="m")),
    Mark(revision="r", homes=(HOME,)),
    NoticeAck(seq=9),
    Refused(reason="Revoked", message="m"),
    Resync(),
]


@pytest.mark.parametrize("message", UPS, ids=lambda m: type(m).__name__)
def test_what_the_agent_sends_arrives_equal(message: Up) -> None:
    assert wire.decode_up(wire.encode_up(message)) == message


@pytest.mark.parametrize("message", DOWNS, ids=lambda m: type(m).__name__)
def test_what_the_hub_sends_arrives_equal(message: Down) -> None:
    assert wire.decode_down(wire.encode_down(message)) == message


@pytest.mark.parametrize("text", ["nonsense", TRACE.upper(), "00-" + "0" * 32 + TRACE[35:]])
def test_a_malformed_trace_context_is_none(text: str) -> None:
    (report,) = (one for one in UPS if isinstance(one, Report))
    broken = Traceparent(text)
    heard = wire.decode_up(wire.encode_up(replace(report, traceparent=broken)))
    assert heard == replace(report, traceparent=NO_TRACE)
    said = wire.decode_down(wire.encode_down(Assign(assignment=b"{}", traceparent=broken)))
    assert said == Assign(assignment=b"{}")


@pytest.mark.parametrize("data", [b"", b"\xff\xff", b"\x22\x02\x0a\x00"], ids=["empty", "noise", "no-report"])
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(wire.Malformed, match="agent sent"):
        wire.decode_up(data)
