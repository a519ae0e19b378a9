"""What a Deployment of ours runs now, so that installing again keeps what its options once said."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.kube.api import Api
from agent.kube.resources import DEPLOYMENTS
from hub.cli import output
from hub.cli.applying import find
from hub.cli.client import Failed
from hub.cli.manifests import base_env, container_of, default_image


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """An image and its environment beyond the base; an image of None is this version's own."""

    image: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)


async def settle(api: Api, namespace: str, name: str, asked: Run) -> Run:
    """Return what is to run: what was asked for, else what was asked for before, else this version's image."""
    default = default_image(name)
    deployment = await find(api, DEPLOYMENTS, namespace, name)
    if deployment is None:
        return Run(image=asked.image or default, env=asked.env)
    container = container_of(deployment)
    base = base_env(name)
    kept = {
        one["name"]: one["value"] for one in container.get("env", ()) if "value" in one and one not in base
    }
    image = asked.image or default
    if asked.image is None and repository(container["image"]) != repository(default):
        # Of a registry that only its user knows: this version's name would be pulled from nowhere.
        image = container["image"]
        output.warning(f"Deployment {namespace}/{name} keeps its image {image}; give another with --image")
    return Run(image=image, env={**kept, **asked.env})


def repository(image: str) -> str:
    """Return an image's name without tag and digest."""
    name = image.partition("@")[0]
    folder, slash, last = name.rpartition("/")
    return folder + slash + last.partition(":")[0]


def read_env(settings: tuple[str, ...]) -> dict[str, str]:
    """Read `KEY=VALUE` texts. Raises Failed."""
    found: dict[str, str] = {}
    for text in settings:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise Failed(f"{text!r} is no setting; write --env KEY=VALUE")
        found[key] = value
    return found
