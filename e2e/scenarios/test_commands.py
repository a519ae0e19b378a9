"""Every command as a person types it, on a management cluster of its own: good words do their job, bad ones are told the next step."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from e2e.planes.plane import Plane
from e2e.planes.ports import NODE_PORTS
from e2e.scenarios.fleet import FAST, HUB, SYSTEM, Fleet, config_map, namespace_manifest
from e2e.servers.git_http import GitHttp
from e2e.servers.repository import Repository
from hub.sandbox.ports import free_port

pytestmark = pytest.mark.slow

RESOURCES = """\
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {{name: app, namespace: flux-system}}
spec: {{interval: 1m, url: "{url}", ref: {{branch: main}}}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: app, namespace: flux-system}}
spec: {{interval: 10m, prune: true, path: ./app, sourceRef: {{kind: GitRepository, name: app}}}}
"""
FLUX = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: flux-system, labels: {{app.kubernetes.io/part-of: flux}}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec: {{containers: [{{name: manager, image: ghcr.io/fluxcd/{name}:v1}}]}}
"""


class Typed:
    """A person with a kubeconfig of one cluster."""

    def __init__(self, plane: Plane) -> None:
        self.plane = plane

    def hub(self, *words: str, answer: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command, whatever it ends with."""
        command = [str(HUB), "--kubeconfig", str(self.plane.kubeconfig()), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=180, input=answer)

    def does(self, *words: str, answer: str = "") -> str:
        """Run a command that does its job; return all that it says."""
        done = self.hub(*words, answer=answer)
        assert done.returncode == 0, f"hub {' '.join(words)}:\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def refuses(self, *words: str, answer: str = "") -> str:
        """Run a command that cannot do its job; return why."""
        done = self.hub(*words, answer=answer)
        assert done.returncode == 1, f"hub {' '.join(words)}:\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
        return done.stderr


@pytest.fixture(scope="module")
def plane(memory: Path) -> Iterator[Plane]:
    """A management cluster in which nothing is installed."""
    with Plane("commands", memory) as plane:
        yield plane


@pytest.fixture(scope="module")
def bare(plane: Plane) -> Typed:
    """Whoever comes to it first."""
    return Typed(plane)


@pytest.fixture(scope="module")
def address() -> str:
    return f"127.0.0.1:{free_port(NODE_PORTS)}"


@pytest.fixture(scope="module")
def installed(plane: Plane, address: str) -> Typed:
    """A cluster with the hub; installed once for the tests that follow."""
    typed = Typed(plane)
    typed.does("install", "--expose", "NodePort", "--address", address, *FAST, "--timeout", "90s")
    return typed


@pytest.fixture(scope="module")
def repository(installed: Typed, git_server: GitHttp) -> Repository:
    """A delivery that is ready, and the repository that it is of."""
    found = git_server.repository("commands")
    found.commit(
        {
            "app/namespace.yaml": namespace_manifest("commands"),
            "app/one.yaml": config_map("one", "commands", text="one"),
        },
        "Begin",
    )
    installed.plane.kubectl("apply", "-f", "-", input=RESOURCES.format(url=git_server.url("commands")))
    Fleet(installed.plane).until_ready("app")
    return found


# Before anything is installed.


@pytest.mark.parametrize(
    "words",
    [("status",), ("get", "all"), ("get", "sources", "git"), ("get", "kustomizations"), ("cluster", "list")],
    ids=" ".join,
)
def test_where_nothing_is_installed_the_answer_says_so(bare: Typed, words: tuple[str, ...]) -> None:
    assert "run `hub install`" in bare.refuses(*words)


def test_prerequisites_are_checked_before_anything_is_there(bare: Typed) -> None:
    assert "prerequisites checks passed" in bare.does("check", "--pre")
    said = bare.refuses("check")
    assert "the hub is not installed; run `hub install`" in said
    assert "404" not in said
    assert yaml.safe_load(bare.does("version"))["hub"] == "not installed"


@pytest.mark.parametrize(
    ("words", "step"),
    [
        (("get", "all", "--context", "nope"), "has no context 'nope'; it has"),
        (("install", "--address", "foo"), "write HOST:PORT"),
        (("install", "--export"), "--address HOST:PORT"),
        (("cluster", "add", "x"), "--context CTX"),
    ],
    ids=" ".join,
)
def test_bad_words_are_told_the_next_step(bare: Typed, words: tuple[str, ...], step: str) -> None:
    assert step in bare.refuses(*words)


def test_a_kubeconfig_that_is_not_there_is_named(bare: Typed) -> None:
    assert "there is no kubeconfig /nowhere" in bare.refuses("--kubeconfig", "/nowhere", "status")


def test_printed_manifests_are_taken_by_a_strict_apply_and_hold_no_secret(bare: Typed, address: str) -> None:
    printed = bare.hub("install", "--export", "--address", address)
    assert printed.returncode == 0
    kinds = [one["kind"] for one in yaml.safe_load_all(printed.stdout)]
    assert {"CustomResourceDefinition", "ClusterRole", "Deployment", "Service", "ConfigMap"} <= set(kinds)
    assert "Secret" not in kinds
    # What is inside the namespace cannot be tried before that is there.
    bare.plane.kubectl("apply", "-f", "-", input=namespace_manifest(SYSTEM))
    bare.plane.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", input=printed.stdout)


@pytest.mark.parametrize(
    ("names", "options"),
    [
        (("kustomize-controller", "notification-controller"), ()),
        (("notification-controller",), ()),
        (("kustomize-controller",), ("--beside-flux",)),
    ],
)
def test_an_installation_refuses_where_flux_runs_and_names_it(
    bare: Typed, names: tuple[str, ...], options: tuple[str, ...]
) -> None:
    bare.plane.kubectl("apply", "-f", "-", input=namespace_manifest("flux-system"))
    bare.plane.kubectl("apply", "-f", "-", input="---\n".join(FLUX.format(name=name) for name in names))
    said = bare.refuses("install", *options)
    for name in names:
        assert f"flux-system/{name}" in said
        assert f"kubectl -n flux-system scale deployment {name} --replicas=0" in said
    assert bare.plane.get("crd", "clusters.fleet.cartwheel.dev") is None
    bare.plane.kubectl("delete", "deployment", "--all", "-n", "flux-system")


# With the hub.


def test_beside_flux_controllers_of_other_kinds_it_installs_and_again_changes_nothing(
    installed: Typed,
) -> None:
    installed.plane.kubectl("apply", "-f", "-", input=FLUX.format(name="notification-controller"))
    assert "notification-controller" in installed.refuses("install")
    said = installed.does("install", "--beside-flux").splitlines()
    assert "✔ Deployment/cartwheel-system/cartwheel-hub unchanged" in said
    # That it was allowed is remembered, and nothing else.
    assert [line for line in said if line.endswith(("configured", "created"))] == [
        "✔ ConfigMap/cartwheel-system/cartwheel-hub configured"
    ]
    said = installed.does("install").splitlines()
    assert [line for line in said if line.endswith(("configured", "created"))] == []
    installed.plane.kubectl("delete", "deployment", "--all", "-n", "flux-system")


def test_the_installation_checks_itself(installed: Typed, address: str) -> None:
    said = installed.does("check")
    assert "✔ all checks passed" in said
    assert f"agents reach the hub at {address}" in said
    found = yaml.safe_load(installed.does("version"))
    assert found["agents"] == {"flux-system/management": found["hub-cli"]}


def test_a_delivery_is_listed_in_every_form(installed: Typed, repository: Repository) -> None:
    commit = repository.resolve("refs/heads/main")[:8]
    table = installed.does("get", "kustomizations").splitlines()
    assert [cell.strip() for cell in table[0].split("\t")][:4] == ["NAME", "REVISION", "SUSPENDED", "READY"]
    assert [cell.strip() for cell in table[1].split("\t")][:4] == [
        "app",
        f"main@sha1:{commit}",
        "False",
        "True",
    ]
    listed = json.loads(installed.does("get", "sources", "git", "-o", "json"))
    assert [one["metadata"]["name"] for one in listed["items"]] == ["app"]
    assert (
        yaml.safe_load(installed.does("get", "kustomizations", "app", "-o", "yaml"))["kind"]
        == "Kustomization"
    )
    assert "kustomization/app" in installed.does("get", "all", "-A")
    assert "-A looks in all of them" in installed.refuses("get", "kustomizations", "-n", "default")
    assert "object 'nope' not found" in installed.refuses("get", "sources", "git", "nope")


def test_the_fleet_is_one_screen(installed: Typed, repository: Repository) -> None:
    text = installed.does("status")
    assert "Clusters: 1 of 1 connected" in text
    assert "Deliveries: 1 of 1 ready" in text
    screen = json.loads(installed.does("status", "-o", "json"))
    assert [one["name"] for one in screen["clusters"]] == ["management"]
    assert screen["notInStep"] == []


def test_a_reconcile_is_done_when_the_command_ends(installed: Typed, repository: Repository) -> None:
    repository.commit({"app/one.yaml": config_map("one", "commands", text="two")}, "Change")
    said = installed.does("reconcile", "kustomization", "app", "--with-source")
    assert f"applied revision main@sha1:{repository.resolve('refs/heads/main')}" in said
    assert installed.plane.get("configmap", "one", "-n", "commands")["data"] == {"text": "two"}
    assert "fetched revision" in installed.does("reconcile", "source", "git", "app")
    for words in (("kustomization", "nope"), ("source", "git", "nope")):
        assert "'nope' not found" in installed.refuses("reconcile", *words)


def test_what_is_suspended_stays_until_it_is_resumed(installed: Typed, repository: Repository) -> None:
    installed.does("suspend", "kustomization", "app")
    assert "hub resume kustomization app" in installed.refuses("reconcile", "kustomization", "app")
    repository.commit({"app/one.yaml": config_map("one", "commands", text="three")}, "Change")
    installed.does("reconcile", "source", "git", "app")
    assert installed.plane.get("configmap", "one", "-n", "commands")["data"] != {"text": "three"}
    assert "reconciliation completed" in installed.does("resume", "kustomization", "app")
    Fleet(installed.plane).until(
        lambda: installed.plane.get("configmap", "one", "-n", "commands")["data"] == {"text": "three"}
    )
    assert "name the Kustomization objects" in installed.refuses("suspend", "kustomization")


def test_a_failure_is_told_by_the_command_that_asked(installed: Typed, repository: Repository) -> None:
    good = repository.resolve("refs/heads/main")
    repository.commit({"app/broken.yaml": "a: [1"}, "Break")
    said = installed.refuses("reconcile", "kustomization", "app", "--with-source", "--timeout", "30s")
    assert "Kustomization reconciliation failed" in said
    assert "broken.yaml" in said
    events = installed.does("events", "--for", "Kustomization/app", "--types", "Warning")
    assert "BuildFailed" in events
    repository.commit({"app/broken.yaml": None}, "Mend")
    installed.does("reconcile", "kustomization", "app", "--with-source")
    assert repository.resolve("refs/heads/main") != good


def test_a_held_prune_goes_on_when_it_is_approved(installed: Typed, repository: Repository) -> None:
    assert "has no held prune" in installed.refuses("approve", "prune", "app")
    repository.commit({"app/one.yaml": None, "app/namespace.yaml": None, "app/README.md": "None."}, "Empty")
    installed.does("reconcile", "source", "git", "app")
    fleet = Fleet(installed.plane)
    fleet.until(lambda: fleet.condition("kustomization", "app", "PruneHeld")[0] == "True")
    fleet.until(lambda: "hub approve prune app --cluster management" in installed.does("status"))
    # Whoever asks for a reconcile is not left waiting, but told what to type.
    assert "hub approve prune app" in installed.refuses("reconcile", "kustomization", "app")
    assert "PruneHeld" in installed.does("events", "--for", "Kustomization/app", "--types", "Warning")
    installed.does("approve", "prune", "app")
    fleet.until(lambda: installed.plane.get("configmap", "one", "-n", "commands") is None)
    installed.does("reconcile", "kustomization", "app")


def test_events_are_of_what_was_asked_for(installed: Typed, repository: Repository) -> None:
    assert "kustomization/app" in installed.does("events")
    found = json.loads(installed.does("events", "--for", "GitRepository/app", "-o", "json"))
    assert {one["involvedObject"]["kind"] for one in found["items"]} == {"GitRepository"}
    assert "the kinds are" in installed.refuses("events", "--for", "Foo/app")


def test_watching_prints_what_changes(installed: Typed, repository: Repository) -> None:
    command = [str(HUB), "--kubeconfig", str(installed.plane.kubeconfig())]
    command += ["get", "kustomizations", "--watch", "--no-header"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        try:
            assert watching.stdout is not None
            assert "False" in watching.stdout.readline()
            installed.does("suspend", "kustomization", "app")
            assert "app" in watching.stdout.readline()
        finally:
            watching.terminate()
    installed.does("resume", "kustomization", "app")


def test_a_newer_schema_stays_and_is_told_of(installed: Typed) -> None:
    name, label = "kustomizations.kustomize.toolkit.fluxcd.io", "app.kubernetes.io/version"
    before = installed.plane.get("crd", name)
    installed.plane.kubectl("label", "crd", name, f"{label}=v99.0.0", "--overwrite")
    said = installed.does("install")
    assert f"CRD {name} is of v99.0.0" in said
    assert "newer than" in said
    assert f"CustomResourceDefinition/{name} " not in said
    assert installed.plane.get("crd", name)["metadata"]["labels"][label] == "v99.0.0"
    old = before["metadata"]["labels"][label]
    installed.plane.kubectl("label", "crd", name, f"{label}={old}", "--overwrite")


def test_an_uninstallation_leaves_what_people_have_and_asks_for_schemas(
    installed: Typed, repository: Repository
) -> None:
    repository.commit({"app/kept.yaml": config_map("kept", "default", text="kept")}, "Keep")
    installed.does("reconcile", "kustomization", "app", "--with-source")
    before = installed.hub("uninstall", "--crds", answer="n\n")
    assert before.returncode == 1
    assert installed.plane.get("deployment", "cartwheel-hub", "-n", SYSTEM) is not None
    said = installed.does("uninstall", "--crds", answer="y\n")
    assert "kustomizations.kustomize.toolkit.fluxcd.io holds 1 object; delete them first" in said
    plane = installed.plane
    assert plane.get("crd", "kustomizations.kustomize.toolkit.fluxcd.io") is not None
    assert plane.get("crd", "fleets.fleet.cartwheel.dev") is None
    assert plane.get("configmap", "kept", "-n", "default") is not None
    assert plane.get("deployment", "cartwheel-hub", "-n", SYSTEM) is None
    assert plane.get("secret", "cartwheel-ca", "-n", SYSTEM) is not None
    # What is left can be deleted: nothing waits for a hub that is gone.
    plane.kubectl("delete", "kustomization,gitrepository", "--all", "-n", "flux-system", "--timeout=30s")
    assert "no hub leads" in installed.refuses("check")


def test_a_hub_that_is_installed_again_finds_its_fleet(installed: Typed, repository: Repository) -> None:
    said = installed.does("install", *FAST, "--timeout", "90s")
    assert "certificate authority of the fleet" not in said
    assert "Cluster flux-system/management is connected" in said
    assert "✔ all checks passed" in installed.does("check")
