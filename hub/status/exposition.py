"""What is read when somebody scrapes: the state of resources under Flux's names, and how many agents are connected.

State: none. A scrape costs a walk over the mirrors, and nothing is kept between two.
"""

from collections.abc import Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from hub.model.conditions import READY, Conditions
from hub.model.kinds import TYPES, Kind
from hub.model.kustomization import Kustomization
from hub.model.source import Source
from hub.model.urls import without_userinfo
from hub.model.wish import Boards
from hub.store import Store

_INFO = (
    "customresource_group",
    "customresource_version",
    "customresource_kind",
    "exported_namespace",
    "name",
    "ready",
    "suspended",
    "revision",
    "source_name",
    "url",
)
_OBJECT = ("kind", "name", "namespace")
_STATUSES = ("True", "False", "Unknown")


class Exposition(Collector):
    """One hub's resources as metrics."""

    def __init__(self, store: Store, boards: Boards) -> None:
        self._store = store
        self._boards = boards

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Return nothing: what is there is known when it is asked for."""
        return ()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield all of it as it is now."""
        info = GaugeMetricFamily("gotk_resource_info", "The state of a Flux resource.", labels=_INFO)
        suspended = GaugeMetricFamily("gotk_suspend_status", "Whether it is suspended.", labels=_OBJECT)
        condition = GaugeMetricFamily(
            "gotk_reconcile_condition", "Its condition Ready.", labels=(*_OBJECT, "type", "status")
        )
        for kind, one, facts in self._resources():
            metadata = one.metadata
            place = (str(kind), metadata.name, metadata.namespace)
            ready = _ready(one.conditions)
            is_suspended = one.spec.suspend
            type_ = TYPES[kind]
            info.add_metric(
                (
                    type_.group,
                    type_.version,
                    str(kind),
                    metadata.namespace,
                    metadata.name,
                    ready,
                    str(is_suspended).lower(),
                    *facts,
                ),
                1,
            )
            suspended.add_metric(place, is_suspended)
            for status in _STATUSES:
                condition.add_metric((*place, READY, status), status == ready)
        yield from (info, suspended, condition)
        connected = sum(one.connected for one in self._boards.presence.snapshot().values())
        yield GaugeMetricFamily(
            "cartwheel_agents_connected", "Clusters whose agent has a session.", connected
        )

    def _resources(self) -> Iterator[tuple[Kind, Source | Kustomization, tuple[str, str, str]]]:
        """Yield every resource with revision, source name and URL."""
        for kind, sources in self._store.sources.items():
            for source in sources:
                artifact = source.status.artifact
                revision = artifact.revision if artifact is not None else ""
                yield kind, source, (revision, "", without_userinfo(source.spec.url))
        for delivery in self._store.kustomizations:
            facts = (delivery.status.last_applied_revision, delivery.spec.source_ref.name, "")
            yield Kind.KUSTOMIZATION, delivery, facts


def _ready(conditions: Conditions) -> str:
    found = conditions.get(READY)
    return str(found.status) if found is not None else "Unknown"
