"""YAML as people are taught to write it: a strict apply takes it, and it is Ready, or Stalled by the name of its field."""

from collections.abc import Iterator
from pathlib import Path
from string import Template

import pytest
import yaml

from e2e.planes.plane import Plane
from e2e.scenarios.fleet import Fleet, namespace_manifest
from e2e.servers.git_http import GitHttp

FORMS = Path(__file__).parent / "forms"
READY = ""
OUTCOMES = {
    "git-includes-another-repository": "spec.include",
    "git-includes-paths-of-itself": "spec.include",
    "git-of-v1beta2": READY,
    "git-of-v1beta2-with-access": "spec.accessFrom",
    "git-verified-by-cosign": "spec.verify",
    "git-verified-by-notation": "spec.verify",
    "git-verified-by-pgp": "spec.verify",
    "kustomization-checks-a-service": READY,
    "kustomization-into-a-namespace": READY,
    "kustomization-of-a-tenant": "spec.serviceAccountName",
    "kustomization-of-v1beta2": READY,
}
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""
SOURCE = """\
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {{name: {name}, namespace: flux-system}}
spec: {{interval: 1m, url: "{url}", ref: {{branch: main}}}}
"""


@pytest.fixture(scope="module")
def source(fleet: Fleet, git_server: GitHttp) -> Iterator[str]:
    """A repository with a Service in `deploy`, and a GitRepository of it."""
    repository = git_server.repository("forms")
    repository.commit({"deploy/service.yaml": SERVICE, "README.md": "Forms."}, "Begin")
    fleet.apply(SOURCE.format(name="forms", url=git_server.url("forms")))
    yield "forms"
    fleet.management.kubectl(
        "delete", "kustomization,gitrepository", "--all", "-n", "flux-system", "--timeout=60s"
    )


def test_every_form_has_an_outcome() -> None:
    assert {path.stem for path in FORMS.glob("*.yaml")} == set(OUTCOMES)


@pytest.mark.parametrize("form", OUTCOMES)
def test_a_form_is_taken_and_honoured_or_named(
    form: str, fleet: Fleet, git_server: GitHttp, source: str, namespace: str
) -> None:
    place = f"{namespace}-work"[-63:].lstrip("-")
    fleet.apply(namespace_manifest(place))
    values = {"name": form, "url": git_server.url("forms"), "source": source, "place": place}
    text = Template((FORMS / f"{form}.yaml").read_text()).substitute(values)
    fleet.management.kubectl("apply", "--validate=strict", "-f", "-", input=text)
    kind = str(yaml.safe_load(text)["kind"])
    field = OUTCOMES[form]
    if field == READY:
        fleet.until(
            lambda: fleet.condition(kind, form, "Ready")[0] == "True", lambda: told(fleet, kind, form)
        )
        if kind == "Kustomization":
            service = fleet.management.get("service", "web", "-n", place)
            wanted = ("patched", "twice") if form == "kustomization-of-v1beta2" else ("web", None)
            assert (
                service["spec"]["selector"]["app"],
                service["metadata"]["labels"].get("patched"),
            ) == wanted
        return
    fleet.until(lambda: fleet.condition(kind, form, "Stalled")[0] == "True", lambda: told(fleet, kind, form))
    _, reason, message = fleet.condition(kind, form, "Stalled")
    assert reason == "UnsupportedField"
    assert message.startswith(field)
    assert fleet.condition(kind, form, "Ready")[:2] == ("False", "UnsupportedField")
    fleet.until(lambda: has_event(fleet.management, form, message), lambda: f"no event for {form}")


def told(fleet: Fleet, kind: str, name: str) -> str:
    return str(fleet.condition(kind, name, "Ready"))


def has_event(plane: Plane, name: str, message: str) -> bool:
    """Tell whether an event of the object says just this."""
    selector = f"involvedObject.name={name},reason=UnsupportedField"
    found = plane.get("events", "-n", "flux-system", "--field-selector", selector) or {}
    return any(one["message"] == message for one in found.get("items", ()))
