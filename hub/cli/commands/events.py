"""`hub events`: what happened to resources of the hub's kinds."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click

from agent.kube.api import Api, Change, Object
from agent.kube.errors import Expired
from agent.kube.resources import EVENTS
from agent.model.names import ObjectRef
from hub.cli import output, views
from hub.cli.ages import age
from hub.cli.client import Caller, Failed, asynchronous, common_options
from hub.cli.listing import as_list, output_option
from hub.cli.output import Format
from hub.cli.verbs import Target, fetch
from hub.model.kinds import TYPES, Kind
from hub.model.kustomization import Kustomization

_KINDS = frozenset(kind.value for kind in Kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which events are shown. No subject is every object of the hub's kinds in the namespace; an empty namespace is all."""

    namespace: str
    subjects: tuple[ObjectRef, ...]
    types: frozenset[str]

    @property
    def namespaces(self) -> set[str]:
        return {one.namespace for one in self.subjects} | {self.namespace}

    @property
    def listed_namespace(self) -> str:
        """The namespace to list, all of them when there are several."""
        return self.namespace if len(self.namespaces) == 1 else ""

    def includes(self, event: Object) -> bool:
        about = event.get("involvedObject") or {}
        kind, namespace, name = (str(about.get(key, "")) for key in ("kind", "namespace", "name"))
        if kind not in _KINDS or (self.types and str(event.get("type", "")).lower() not in self.types):
            return False
        if not self.subjects:
            return self.namespace in ("", namespace)
        return any(
            one.kind == kind and one.namespace in ("", namespace) and one.name in ("", name)
            for one in self.subjects
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How events are printed."""

    form: Format
    with_namespace: bool


@click.command("events")
@click.option(
    "--for",
    "subject",
    default="",
    metavar="KIND[/NAME]",
    help="Of these objects; of a Kustomization, its source too.",
)
@click.option("--types", default="", metavar="TYPES", help="Normal, Warning, or both with a comma between.")
@click.option("-A", "--all-namespaces", is_flag=True, help="Of all namespaces.")
@click.option("-w", "--watch", is_flag=True, help="Go on printing what happens.")
@click.option("--no-header", is_flag=True, help="Leave out the line of column names.")
@output_option
@common_options
@asynchronous
async def events(
    caller: Caller,
    *,
    subject: str,
    types: str,
    all_namespaces: bool,
    watch: bool,
    no_header: bool,
    form: str,
) -> None:
    """Show the events of sources, deliveries, fleets and clusters, the newest last."""
    wanted_types = {one.strip().lower() for one in types.split(",") if one.strip()}
    if wanted_types - {"normal", "warning"}:
        raise Failed(f"--types {types}: there are Normal and Warning")
    async with caller.management() as api:
        namespace = "" if all_namespaces else caller.namespace
        subjects = await _subjects(api, namespace, subject)
        wanted = Wanted(namespace=namespace, subjects=subjects, types=frozenset(wanted_types))
        listing = await api.list(EVENTS, wanted.listed_namespace)
        found = sorted((one for one in listing.items if wanted.includes(one)), key=_order)
        shape = Shape(form=Format(form), with_namespace=not wanted.listed_namespace)
        if not found and not watch and shape.form is Format.TABLE:
            output.failure(f"No events found in {'any' if all_namespaces else caller.namespace} namespace.")
            return
        _print(found, shape, caller.clock.now(), with_header=not no_header)
        version = listing.resource_version
        while watch:
            try:
                async for event in api.watch(EVENTS, wanted.listed_namespace, resource_version=version):
                    version = event.object["metadata"]["resourceVersion"]
                    if event.change in (Change.ADDED, Change.MODIFIED) and wanted.includes(event.object):
                        _print([event.object], shape, caller.clock.now(), with_header=False)
            except Expired:
                version = (await api.list(EVENTS, wanted.listed_namespace)).resource_version


COMMAND = events


def last_seen(event: Object) -> str:
    """Return when it last happened; empty when the event does not say."""
    series: Mapping[str, Any] = event.get("series") or {}
    return str(series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or "")


def _order(event: Object) -> tuple[str, int]:
    """Return what events are sorted by: when each last happened, and of the same second which was written later."""
    version = str(event["metadata"].get("resourceVersion", ""))
    return last_seen(event), int(version) if version.isdecimal() else 0


def cells(event: Object, now: datetime) -> tuple[str, ...]:
    """Return LAST SEEN, TYPE, REASON, OBJECT and MESSAGE as kubectl and Flux show them."""
    series: Mapping[str, Any] = event.get("series") or {}
    count = int(series.get("count") or event.get("count") or 1)
    first = str(event.get("firstTimestamp") or event.get("eventTime") or last_seen(event))
    seen = age(last_seen(event), now)
    if count > 1:
        seen = f"{seen} (x{count} over {age(first, now)})"
    about = event["involvedObject"]
    subject = f"{about['kind'].lower()}/{about['name']}"
    message = str(event.get("message", "")).strip()
    return (seen, str(event.get("type", "")), str(event.get("reason", "")), subject, message)


async def _subjects(api: Api, namespace: str, text: str) -> tuple[ObjectRef, ...]:
    """Read KIND[/NAME]. Of a Kustomization's name its source is meant too. Raises Failed for an unknown kind."""
    if not text:
        return ()
    word, _, name = text.partition("/")
    kind = next((one for one in Kind if one.lower() == word.lower()), None)
    if kind is None:
        raise Failed(f"--for {text}: the kinds are {', '.join(Kind)}")
    subject = ObjectRef(group=TYPES[kind].group, kind=kind, namespace=namespace, name=name)
    if kind is not Kind.KUSTOMIZATION or not (name and namespace):
        return (subject,)
    target = Target(view=views.KUSTOMIZATIONS, namespace=namespace, name=name)
    found = Kustomization.parse(await fetch(api, target))
    source = found.spec.source_ref
    return (
        subject,
        ObjectRef(group="", kind=source.kind, namespace=found.source_namespace, name=source.name),
    )


def _print(found: list[Object], shape: Shape, now: datetime, *, with_header: bool) -> None:
    if shape.form is not Format.TABLE:
        output.data(as_list(found), shape.form)
        return
    header = (*(("namespace",) * shape.with_namespace), "last seen", "type", "reason", "object", "message")
    rows = [
        (*((one["involvedObject"].get("namespace", ""),) * shape.with_namespace), *cells(one, now))
        for one in found
    ]
    output.table(header, rows, with_header=with_header)
