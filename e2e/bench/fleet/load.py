"""What a fleet is given: deliveries of fifty objects, of which one line changes, and the Fleet that brings the first to every cluster of a farm."""

import json
from collections.abc import Iterator
from itertools import chain, islice

from e2e.bench import load
from e2e.bench.load import Object

OBJECTS = 50
PLACE = "bench"
SOURCE = load.SOURCE
FARM = "farm"
FLUX = "flux-system"
SETTINGS = f"{load.name(0)}-settings"
"""The ConfigMap whose text changes."""

_NAMESPACE: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PLACE}}
_STRIDE = 100


def objects(number: int, text: str) -> Iterator[Object]:
    """Yield the objects of a delivery; no two deliveries have one in common."""
    many = chain.from_iterable(load.objects(number * _STRIDE + part, PLACE, text) for part in range(OBJECTS))
    first = [_NAMESPACE] if number == 0 else []
    yield from islice(chain(first, many), OBJECTS)


def files(number: int, text: str = "one") -> dict[str, str | bytes | None]:
    """Return the files of a delivery, one for each object."""
    return {
        f"{load.folder(number)}/{value['kind'].lower()}-{value['metadata']['name']}.yaml": json.dumps(
            value, indent=2
        )
        for value in objects(number, text)
    }


def changed(text: str) -> dict[str, str | bytes | None]:
    """Return the one file of the first delivery in which a line changes."""
    ending = f"configmap-{SETTINGS}.yaml"
    return {path: content for path, content in files(0, text).items() if path.endswith(ending)}


def size_bytes() -> int:
    """Return what the objects of the first delivery are as JSON."""
    return sum(len(json.dumps(value)) for value in objects(0, "one"))


def resources(url: str) -> Iterator[Object]:
    """Yield the source, the Fleet of all clusters of a farm, and the first delivery, which goes to it."""
    yield load.git_repository(SOURCE, url)
    yield {
        "apiVersion": "fleet.cartwheel.dev/v1alpha1",
        "kind": "Fleet",
        "metadata": {"name": FARM, "namespace": FLUX},
        "spec": {"clusterSelector": {"matchLabels": {FARM: "yes"}}},
    }
    yield delivery(0)


def delivery(number: int) -> Object:
    """Return the Kustomization of a delivery, which goes to every cluster of the Fleet."""
    found = load.kustomization(number, SOURCE)
    return {**found, "metadata": {**found["metadata"], "labels": {"fleet.cartwheel.dev/fleet": FARM}}}
