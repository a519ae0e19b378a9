"""The images' entry points work with their own dependencies and nothing else: no checkout, no package of developers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.images import Image
from e2e.planes.plane import Plane
from e2e.planes.ports import free_address
from e2e.scenarios.fleet import FAST, Fleet, config_map
from e2e.servers.git_http import GitHttp

pytestmark = pytest.mark.slow

EVERY_MODULE = """
import importlib, pkgutil, {package}
for found in pkgutil.walk_packages({package}.__path__, "{package}."):
    importlib.import_module(found.name)
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return Image.build("hub", tmp_path_factory.mktemp("images") / "hub")


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return Image.build("agent", tmp_path_factory.mktemp("images") / "agent")


@pytest.fixture(scope="module")
def plane(memory: Path, hub: Image, agent: Image) -> Iterator[Plane]:
    """A management cluster whose Pods of ours run from the images."""
    with Plane("images", memory) as found:
        found.pods.images.update({"cartwheel-hub": hub.commands, "cartwheel-agent": agent.commands})
        yield found


def test_the_agents_image_has_all_that_the_agent_imports_and_no_code_of_the_hub(agent: Image) -> None:
    done = agent.run("python", "-c", EVERY_MODULE.format(package="agent"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "No module named 'hub'" in agent.run("python", "-c", "import hub").stderr
    assert not (agent.commands / "hub").exists()


def test_the_hubs_image_has_all_that_the_hub_imports(hub: Image) -> None:
    done = hub.run("python", "-c", EVERY_MODULE.format(package="hub"))
    assert (done.returncode, done.stderr) == (0, "")


def test_outside_of_a_pod_the_agent_says_so(agent: Image) -> None:
    done = agent.run("agent", "run")
    assert done.returncode == 1
    assert "runs in no Pod" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_the_hubs_image_prints_an_installation(hub: Image) -> None:
    done = hub.run("hub", "install", "--export", "--address", "hub.example.com:7443")
    assert (done.returncode, done.stderr) == (0, "")
    assert "kind: CustomResourceDefinition" in done.stdout


def test_hub_and_agent_do_their_work_from_their_images(plane: Plane, git_server: GitHttp) -> None:
    fleet = Fleet(plane)
    address = free_address()
    fleet.hub("install", "--expose", "NodePort", "--address", address, *FAST, "--timeout", "120s")
    repository = git_server.repository("images")
    repository.commit({"map.yaml": config_map("from-an-image", "default", a="b")})
    fleet.apply(f"""
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {{name: images, namespace: flux-system}}
spec: {{interval: 1m, url: "{git_server.url("images")}", ref: {{branch: main}}}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: images, namespace: flux-system}}
spec: {{interval: 5m, prune: true, path: ./, sourceRef: {{kind: GitRepository, name: images}}}}
""")
    fleet.until_ready("images")
    assert (plane.get("configmap", "from-an-image", "-n", "default") or {})["data"] == {"a": "b"}
