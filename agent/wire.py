"""The only translation between values and protobuf. A message that cannot be read raises Malformed, and the session ends."""

from google.protobuf.message import DecodeError

from agent.kit.errors import Transient
from agent.kit.tracing import read_traceparent
from agent.model.assignment import Hold, HoldReason, Order, Tombstone
from agent.model.content import BundleRef, Entry, digest_of
from agent.model.inventory import format_id, parse_id
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
from agent.model.names import Digest, HomeName
from agent.model.report import Notice, NoticeKind, Report
from protos.v1 import assignment_pb2, link_pb2, report_pb2


class Malformed(Transient):
    """The other end said something that this version cannot read."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="Malformed")


def encode_up(value: Up) -> bytes:
    """Return the bytes of a message of the agent."""
    message = link_pb2.Up()
    match value:
        case Hello():
            message.hello.CopyFrom(_hello(value))
        case Ack():
            message.ack.home.CopyFrom(_home(value.home))
            message.ack.order.CopyFrom(_order(value.order))
            message.ack.substance = value.substance
        case Nack():
            message.nack.home.CopyFrom(_home(value.home))
            message.nack.order.CopyFrom(_order(value.order))
            message.nack.reason, message.nack.message = value.reason, value.message
        case Report():
            message.report.report = value.encode()
        case Notice():
            message.notice.CopyFrom(_notice(value))
        case Alive():
            message.alive.desk_root = value.desk_root
    data: bytes = message.SerializeToString()
    return data


def decode_up(data: bytes) -> Up:
    """Read a message of the agent."""
    try:
        message = link_pb2.Up.FromString(data)
        match message.WhichOneof("message"):
            case "hello":
                return _read_hello(message.hello)
            case "ack":
                ack = message.ack
                return Ack(
                    home=_read_home(ack.home), order=_read_order(ack.order), substance=Digest(ack.substance)
                )
            case "nack":
                nack = message.nack
                home, order = _read_home(nack.home), _read_order(nack.order)
                return Nack(home=home, order=order, reason=nack.reason, message=nack.message)
            case "report":
                return Report.decode(message.report.report)
            case "notice":
                return _read_notice(message.notice)
            case "alive":
                return Alive(desk_root=Digest(message.alive.desk_root))
            case other:
                raise Malformed(f"the agent sent a message of a kind that this hub does not know ({other})")
    except Malformed:
        raise
    except (ValueError, DecodeError) as problem:
        raise Malformed(f"the agent sent a message that cannot be read: {problem}") from problem


def encode_down(value: Down) -> bytes:
    """Return the bytes of a message of the hub."""
    message = link_pb2.Down()
    match value:
        case Welcome():
            message.welcome.protocol, message.welcome.hub_version = value.protocol, value.hub_version
            message.welcome.term, message.welcome.alive_interval_s = value.term, value.alive_interval_s
        case Assign():
            message.assign.CopyFrom(_assign(value))
        case Tombstone():
            message.gone.home.CopyFrom(_home(value.home))
            message.gone.uid, message.gone.delete_objects = value.uid, value.delete_objects
            message.gone.author, message.gone.reason = value.author, value.reason
        case Keep():
            message.hold.home.CopyFrom(_home(value.home))
            message.hold.reason, message.hold.message = value.hold.reason, value.hold.message
        case Mark():
            message.mark.revision = value.revision
            message.mark.homes.extend(_home(home) for home in value.homes)
        case NoticeAck():
            message.notice_ack.seq = value.seq
        case Refused():
            message.refused.reason, message.refused.message = value.reason, value.message
        case Resync():
            message.resync.SetInParent()
    data: bytes = message.SerializeToString()
    return data


def decode_down(data: bytes) -> Down:
    """Read a message of the hub."""
    try:
        message = link_pb2.Down.FromString(data)
        match message.WhichOneof("message"):
            case "welcome":
                said = message.welcome
                return Welcome(
                    protocol=said.protocol,
                    hub_version=said.hub_version,
                    term=said.term,
                    alive_interval_s=said.alive_interval_s,
                )
            case "assign":
                return _read_assign(message.assign)
            case "gone":
                gone = message.gone
                return Tombstone(
                    home=_read_home(gone.home),
                    uid=gone.uid,
                    delete_objects=gone.delete_objects,
                    author=gone.author,
                    reason=gone.reason,
                )
            case "hold":
                hold = Hold(reason=HoldReason(message.hold.reason), message=message.hold.message)
                return Keep(home=_read_home(message.hold.home), hold=hold)
            case "mark":
                homes = tuple(_read_home(home) for home in message.mark.homes)
                return Mark(revision=message.mark.revision, homes=homes)
            case "notice_ack":
                return NoticeAck(seq=message.notice_ack.seq)
            case "refused":
                return Refused(reason=message.refused.reason, message=message.refused.message)
            case "resync":
                return Resync()
            case other:
                raise Malformed(f"the hub sent a message of a kind that this agent does not know ({other})")
    except Malformed:
        raise
    except (ValueError, DecodeError) as problem:
        raise Malformed(f"the hub sent a message that cannot be read: {problem}") from problem


def _home(home: HomeName) -> assignment_pb2.HomeName:
    return assignment_pb2.HomeName(kind=home.kind, namespace=home.namespace, name=home.name)


def _read_home(message: assignment_pb2.HomeName) -> HomeName:
    if not (message.kind and message.namespace and message.name):
        raise Malformed("a delivery is named incompletely")
    return HomeName(kind=message.kind, namespace=message.namespace, name=message.name)


def _order(order: Order) -> assignment_pb2.Order:
    return assignment_pb2.Order(term=order.term, seq=order.seq)


def _read_order(message: assignment_pb2.Order) -> Order:
    return Order(term=message.term, seq=message.seq)


def _hello(value: Hello) -> link_pb2.Hello:
    held = [
        link_pb2.Held(
            home=_home(one.home),
            uid=one.uid,
            candidate=one.candidate,
            bundle_base=one.bundle.base,
            bundle_overlay=one.bundle.overlay,
            substance=one.substance,
            order=_order(one.order),
        )
        for one in value.held
    ]
    return link_pb2.Hello(
        protocol=value.protocol,
        features=value.features,
        agent_version=value.agent_version,
        kubernetes_version=value.kubernetes_version,
        term=value.term,
        held=held,
        instance=value.instance,
        kept=[link_pb2.Kept(home=_home(one.home), uid=one.uid) for one in value.kept],
        namespace_uid=value.namespace_uid,
    )


def _read_hello(message: link_pb2.Hello) -> Hello:
    held = tuple(
        Held(
            home=_read_home(one.home),
            uid=one.uid,
            candidate=Digest(one.candidate),
            bundle=BundleRef(base=Digest(one.bundle_base), overlay=Digest(one.bundle_overlay)),
            substance=Digest(one.substance),
            order=_read_order(one.order),
        )
        for one in message.held
    )
    return Hello(
        protocol=message.protocol,
        features=tuple(message.features),
        agent_version=message.agent_version,
        kubernetes_version=message.kubernetes_version,
        term=message.term,
        held=held,
        instance=message.instance,
        kept=tuple(Kept(home=_read_home(one.home), uid=one.uid) for one in message.kept),
        namespace_uid=message.namespace_uid,
    )


def _notice(value: Notice) -> report_pb2.Notice:
    return report_pb2.Notice(
        seq=value.seq,
        home=_home(value.home),
        uid=value.uid,
        kind=value.kind,
        reason=value.reason,
        message=value.message,
        at=value.at,
        bundle=value.bundle,
    )


def _read_notice(message: report_pb2.Notice) -> Notice:
    return Notice(
        seq=message.seq,
        home=_read_home(message.home),
        uid=message.uid,
        kind=NoticeKind(message.kind),
        reason=message.reason,
        message=message.message,
        at=message.at,
        bundle=message.bundle,
    )


def _assign(value: Assign) -> assignment_pb2.Assign:
    message = assignment_pb2.Assign(
        assignment=value.assignment,
        signatures=value.signatures,
        revision=value.revision,
        traceparent=value.traceparent,
        inline=[assignment_pb2.Blob(digest=digest_of(data), data=data) for data in value.inline],
    )
    if value.delta is not None:
        message.delta.from_base, message.delta.from_overlay = (
            value.delta.origin.base,
            value.delta.origin.overlay,
        )
        message.delta.base.CopyFrom(_index_delta(value.delta.base))
        message.delta.overlay.CopyFrom(_index_delta(value.delta.overlay))
    return message


def _index_delta(value: IndexDelta) -> assignment_pb2.IndexDelta:
    lines = [
        assignment_pb2.Entry(id=format_id(e.ref), version=e.version, digest=e.digest, size_bytes=e.size_bytes)
        for e in value.set
    ]
    return assignment_pb2.IndexDelta(set=lines, removed=value.removed)


def _read_assign(message: assignment_pb2.Assign) -> Assign:
    delta = None
    if message.HasField("delta"):
        delta = Delta(
            origin=BundleRef(
                base=Digest(message.delta.from_base), overlay=Digest(message.delta.from_overlay)
            ),
            base=_read_index_delta(message.delta.base),
            overlay=_read_index_delta(message.delta.overlay),
        )
    return Assign(
        assignment=message.assignment,
        signatures=tuple(message.signatures),
        revision=message.revision,
        traceparent=read_traceparent(message.traceparent),
        delta=delta,
        inline=tuple(blob.data for blob in message.inline),
    )


def _read_index_delta(message: assignment_pb2.IndexDelta) -> IndexDelta:
    entries = tuple(
        Entry(ref=parse_id(e.id), version=e.version, digest=Digest(e.digest), size_bytes=e.size_bytes)
        for e in message.set
    )
    return IndexDelta(set=entries, removed=tuple(message.removed))
