"""The work of the benches: many Kustomizations of one repository, each a folder of four objects that keep no controller busy."""

import json
from collections.abc import Iterator
from typing import Any

Object = dict[str, Any]

OBJECTS = 4
SOURCE = "bench"


def folder(number: int) -> str:
    """Return the folder of a Kustomization."""
    return f"apps/{number:04}"


def name(number: int) -> str:
    """Return a Kustomization's name; its objects begin with it."""
    return f"app-{number:04}"


def objects(number: int, namespace: str, text: str = "one") -> Iterator[Object]:
    """Yield the objects of a Kustomization. `text` is the line that a change changes."""
    here, labels = {"namespace": namespace}, {"app": name(number)}
    yield {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {**here, "name": f"{name(number)}-settings"},
        "data": {"text": text},
    }
    yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {**here, "name": name(number)}}
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {**here, "name": name(number)},
        "spec": {
            "clusterIP": "None",
            "selector": labels,
            "ports": [{"name": "http", "port": 80, "targetPort": 8080}],
        },
    }
    container = {"name": "main", "image": "web:1", "ports": [{"containerPort": 8080}]}
    yield {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {**here, "name": name(number)},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def files(number: int, namespace: str, text: str = "one") -> dict[str, str]:
    """Return the files of a Kustomization's folder."""
    return {
        f"{folder(number)}/{value['kind'].lower()}.yaml": json.dumps(value, indent=2)
        for value in objects(number, namespace, text)
    }


def settings_file(number: int, namespace: str, text: str) -> dict[str, str]:
    """Return the one file that a change writes."""
    value = next(objects(number, namespace, text))
    return {f"{folder(number)}/configmap.yaml": json.dumps(value, indent=2)}


def kustomization(number: int, source: str, interval: str = "10m") -> Object:
    """Return the Kustomization of one folder."""
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": name(number), "namespace": "flux-system"},
        "spec": {
            "interval": interval,
            "prune": True,
            "path": f"./{folder(number)}",
            "sourceRef": {"kind": "GitRepository", "name": source},
        },
    }


def git_repository(source: str, url: str) -> Object:
    """Return the source of all."""
    return {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": {"name": source, "namespace": "flux-system"},
        "spec": {"interval": "30m", "url": url, "ref": {"branch": "main"}},
    }
