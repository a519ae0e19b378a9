"""Repositories that want to know who asks, and whose server must be known: SSH with keys, HTTPS with a password and an authority of its own."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from e2e.scenarios.fleet import Fleet, config_map, namespace_manifest
from e2e.servers.certificates import Authority
from e2e.servers.git_http import Basic, GitHttp
from e2e.servers.git_ssh import GitSsh, make_key
from e2e.servers.repository import Repository

RESOURCES = """\
apiVersion: fleet.cartwheel.dev/v1alpha1
kind: Fleet
metadata: {{name: prod, namespace: flux-system}}
spec: {{clusterSelector: {{matchLabels: {{tier: prod}}}}}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {{name: {id}, namespace: flux-system}}
spec: {{interval: 1m, url: "{url}", ref: {{branch: main}}, secretRef: {{name: {id}}}}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: {id}, namespace: flux-system, labels: {{fleet.cartwheel.dev/fleet: prod}}}}
spec: {{interval: 10m, prune: true, sourceRef: {{kind: GitRepository, name: {id}}}}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """One source that wants credentials, delivered to both clusters, and a Secret that is not good for it."""

    fleet: Fleet
    repository: Repository
    name: str
    good: dict[str, bytes]
    wrong: dict[str, bytes]
    reason: str
    says: str

    @property
    def place(self) -> str:
        return f"{self.name}-work"

    def put_secret(self, data: dict[str, bytes]) -> None:
        lines = "".join(f"  {key}: {base64.b64encode(value).decode()}\n" for key, value in data.items())
        metadata = f"metadata: {{name: {self.name}, namespace: flux-system}}\n"
        self.fleet.apply(f"apiVersion: v1\nkind: Secret\n{metadata}data:\n{lines}")

    def commit(self, text: str) -> str:
        files: dict[str, str | bytes | None] = {
            "namespace.yaml": namespace_manifest(self.place),
            "settings.yaml": config_map("settings", self.place, text=text),
        }
        return self.repository.commit(files, "Change something")

    def texts(self) -> set[str]:
        """Return what the clusters have."""
        found = [
            plane.get("configmap", "settings", "-n", self.place) for plane in self.fleet.workloads.values()
        ]
        return {one["data"]["text"] if one else "" for one in found}

    def artifact(self) -> str:
        found = self.fleet.management.get("gitrepository", self.name, "-n", "flux-system")
        return str(found["status"]["artifact"]["revision"])


@pytest.fixture(scope="module")
def ssh(memory: Path) -> Iterator[GitSsh]:
    with GitSsh(memory / "ssh-git", memory / "ssh") as server:
        yield server


@pytest.fixture(scope="module")
def https(memory: Path) -> Iterator[GitHttp]:
    tls = Authority(memory / "https")
    with GitHttp(memory / "https-git", tls=tls, credentials=Basic("ada", "s3cret")) as server:
        yield server


@pytest.fixture(
    params=[
        "ssh: another host key",
        "ssh: another identity",
        "https: another authority",
        "https: another password",
    ]
)
def guarded(
    request: pytest.FixtureRequest, fleet: Fleet, ssh: GitSsh, https: GitHttp, memory: Path, namespace: str
) -> Iterator[Guarded]:
    protocol, _, wrong = request.param.partition(": ")
    server: GitSsh | GitHttp = ssh if protocol == "ssh" else https
    good, bad, says = _secrets(protocol, wrong, ssh, https, memory / namespace)
    found = Guarded(
        fleet=fleet,
        repository=server.repository(namespace),
        name=namespace,
        good=good,
        wrong=good | bad,
        reason="GitOperationFailed",
        says=says,
    )
    commit = found.commit("one")
    found.put_secret(good)
    fleet.apply(RESOURCES.format(id=namespace, url=server.url(namespace)))
    fleet.until_ready(namespace, revision=commit)
    yield found
    for kind in ("kustomization", "gitrepository", "secret"):
        fleet.management.kubectl("delete", kind, namespace, "-n", "flux-system", "--timeout=60s")


def _secrets(
    protocol: str, wrong: str, ssh: GitSsh, https: GitHttp, folder: Path
) -> tuple[dict[str, bytes], dict[str, bytes], str]:
    """Return good credentials, what of them is wrong instead, and a word of what is said of that."""
    folder.mkdir()
    if protocol == "ssh":
        good = {"identity": ssh.identity.read_bytes(), "known_hosts": ssh.known_hosts.encode()}
        other = make_key(folder / "other")
        kind, key, *_ = other.with_suffix(".pub").read_text().split()
        if wrong == "another host key":
            return good, {"known_hosts": f"[127.0.0.1]:{ssh.port} {kind} {key}\n".encode()}, "known_hosts"
        return good, {"identity": other.read_bytes()}, "authentication"
    assert https.tls is not None
    good = {"username": b"ada", "password": b"s3cret", "ca.crt": https.tls.ca.read_bytes()}
    if wrong == "another authority":
        return good, {"ca.crt": Authority(folder).ca.read_bytes()}, "certificate"
    return good, {"password": b"guess"}, "authentication"


def test_what_was_fetched_goes_on_while_the_credentials_are_wrong(guarded: Guarded) -> None:
    fleet, before = guarded.fleet, guarded.artifact()
    assert guarded.texts() == {"one"}
    commit = guarded.commit("two")
    guarded.put_secret(guarded.wrong)
    fleet.hub("reconcile", "source", "git", guarded.name, check=False)
    assert fleet.condition("gitrepository", guarded.name, "Ready")[:2] == ("False", guarded.reason)
    status, reason, message = fleet.condition("gitrepository", guarded.name, "FetchFailed")
    assert (status, reason) == ("True", guarded.reason)
    assert guarded.says in message
    assert "guess" not in message

    # The last artifact is built and guarded as before.
    assert guarded.artifact() == before
    east = fleet.workloads["east"]
    east.kubectl("delete", "configmap", "settings", "-n", guarded.place)
    fleet.until(lambda: guarded.texts() == {"one"})
    assert fleet.ready(guarded.name)[0] == "True"

    guarded.put_secret(guarded.good)
    fleet.hub("reconcile", "source", "git", guarded.name)
    fleet.until_ready(guarded.name, revision=commit)
    assert guarded.texts() == {"two"}
