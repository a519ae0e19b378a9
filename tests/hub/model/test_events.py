from hub.model.events import MAX_MESSAGE, REVISION, Event, EventType, Severity, event
from hub.model.kinds import TYPES, Kind
from hub.model.kustomization import Kustomization
from tests.hub.model import samples

TYPE = TYPES[Kind.KUSTOMIZATION]


def about(severity: Severity = Severity.INFO, message: str = "done", **metadata: object) -> Event:
    whole = samples.resource(Kind.KUSTOMIZATION, samples.kustomization(), **metadata)
    return event(
        TYPE.api_version,
        TYPE.kind,
        Kustomization.parse(whole).metadata,
        severity=severity,
        reason="ReconciliationSucceeded",
        message=message,
        facts={REVISION: "main@sha1:abc"},
    )


def test_facts_stand_under_the_group_of_the_object() -> None:
    assert about().metadata == {"kustomize.toolkit.fluxcd.io/revision": "main@sha1:abc"}


def test_annotations_meant_for_events_are_copied_and_no_others() -> None:
    found = about(annotations={"event.toolkit.fluxcd.io/env": "prod", "other": "x"})
    assert found.metadata["event.toolkit.fluxcd.io/env"] == "prod"
    assert "other" not in found.metadata


def test_only_an_error_is_a_warning() -> None:
    assert about(Severity.ERROR).type is EventType.WARNING
    assert about(Severity.INFO).type is EventType.NORMAL
    assert about(Severity.TRACE).type is EventType.NORMAL


def test_the_object_is_named_completely() -> None:
    involved = about().involved
    assert (involved.api_version, involved.kind) == ("kustomize.toolkit.fluxcd.io/v1", "Kustomization")
    assert (involved.namespace, involved.name, involved.uid) == ("apps", "webapp", "u-1")


def test_a_message_is_cut_to_what_receivers_take() -> None:
    assert len(about(message="x" * (MAX_MESSAGE + 5)).message) == MAX_MESSAGE
