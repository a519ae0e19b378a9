"""Resources that cannot be read: Stalled with the field and one event, until they are corrected."""

from typing import Any

import pytest

from hub.model.kinds import TYPES, Kind
from tests.hub.model.samples import fleet, git, kustomization, oci
from tests.hub.status.test_writer import Rig, running

SPECS: dict[Kind, tuple[dict[str, Any], dict[str, Any], str]] = {
    Kind.GIT_REPOSITORY: (git(), {"timeout": "soon"}, "spec.timeout"),
    Kind.OCI_REPOSITORY: (oci(), {"layerSelector": {"operation": "fold"}}, "spec.layerSelector.operation"),
    Kind.KUSTOMIZATION: (kustomization(), {"interval": "soon"}, "spec.interval"),
    Kind.CLUSTER: ({"id": "id-of-us-1"}, {"suspend": "perhaps"}, "spec.suspend"),
    Kind.FLEET: (fleet(), {"onLeave": "Perhaps"}, "spec.onLeave"),
}
ASKED = {"annotations": {"reconcile.fluxcd.io/requestedAt": "now"}}


def conditions(rig: Rig, kind: Kind) -> dict[str, tuple[str, str, str]]:
    status = rig.api.status(TYPES[kind].plural, "odd")
    return {
        one["type"]: (one["status"], one["reason"], one["message"]) for one in status.get("conditions", ())
    }


@pytest.mark.parametrize("kind", SPECS)
async def test_what_cannot_be_read_is_stalled_and_told_once(kind: Kind) -> None:
    spec, fault, field = SPECS[kind]
    async with running() as rig:
        rig.api.put_resource(kind, "odd", spec)
        with rig.api.older_schema():
            rig.api.put_resource(kind, "odd", spec | fault, **ASKED)
        await rig.clock.pass_(2)
        for type_, status in (("Stalled", "True"), ("Ready", "False")):
            found = conditions(rig, kind)[type_]
            assert found[:2] == (status, "MalformedResource")
            assert field in found[2]
        written = rig.api.status(TYPES[kind].plural, "odd")
        assert (written["observedGeneration"], written["lastHandledReconcileAt"]) == (2, "now")
        (told,) = [one for one in rig.events() if one[1] == "MalformedResource"]
        assert (told[0], field in told[2]) == ("Warning", True)
        await rig.clock.pass_(600)
        assert sum("/odd" in one for one in rig.api.writes) == 2


@pytest.mark.parametrize("kind", SPECS)
async def test_what_is_corrected_is_stalled_no_more(kind: Kind) -> None:
    spec, fault, _ = SPECS[kind]
    async with running() as rig:
        with rig.api.older_schema():
            rig.api.put_resource(kind, "odd", spec | fault)
        await rig.clock.pass_(2)
        value = rig.api.get_now(TYPES[kind].plural, "odd")
        rig.api.put(TYPES[kind].plural, {**value, "spec": spec})
        await rig.clock.pass_(2)
        assert not any(reason == "MalformedResource" for _, reason, _ in conditions(rig, kind).values())


async def test_other_conditions_and_fields_of_the_status_stay() -> None:
    healthy = {"type": "Healthy", "status": "True", "reason": "Succeeded", "message": "ok"}
    healthy["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    status = {"conditions": [healthy, {"type": "odd"}], "lastAppliedRevision": "main@sha1:1"}
    async with running() as rig:
        with rig.api.older_schema():
            rig.api.put_resource(Kind.KUSTOMIZATION, "odd", kustomization(interval="soon"), status=status)
        await rig.clock.pass_(2)
        assert set(conditions(rig, Kind.KUSTOMIZATION)) == {"Healthy", "Stalled", "Ready"}
        found = rig.api.status("kustomizations", "odd")
        assert found["lastAppliedRevision"] == "main@sha1:1"
