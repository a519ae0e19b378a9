"""From rendered resources to the objects that are delivered: what is none is dropped, what is ours is marked.

Pure. Changes copies, never what it is given; see the spec of the Kustomization build, steps 6 and 8 to 11.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from agent.model.names import OWNER_NAME, OWNER_NAMESPACE
from hub.build.errors import BuildFailed
from hub.build.normalize import normalize

Object = dict[str, Any]

DECRYPT: Final = "kustomize.toolkit.fluxcd.io/decrypt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What every object of a delivery carries; name and namespace are those of the home name."""

    name: str
    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


def check_identity(value: Object) -> None:
    """Refuse a rendered resource that the Kubernetes API could not hold."""
    if not _complete(value):
        raise BuildFailed(
            f"failed to decode Kubernetes apiVersion, kind and name from: {value.get('apiVersion')}/{value.get('kind')}"
            f" {_metadata(value).get('name')}"
        )


def finish(values: Iterable[Object], marks: Marks) -> list[Object]:
    """Expand lists, drop what is no object of a cluster, set owner labels and common metadata, normalise, refuse SOPS Secrets."""
    objects = list(_objects(values))
    for value in objects:
        _refuse_encrypted(value)
    return [normalize(_mark(value, marks)) for value in objects]


def _objects(values: Iterable[Object]) -> Iterator[Object]:
    for value in values:
        if isinstance(items := value.get("items"), list):
            for item in items:
                if isinstance(item, dict):
                    check_identity(item)
                    yield item
        elif _complete(value) and not _configures_kustomize(value):
            yield value


def _complete(value: Object) -> bool:
    return all((value.get("apiVersion"), value.get("kind"), _metadata(value).get("name")))


def _configures_kustomize(value: Object) -> bool:
    return value["kind"] == "Kustomization" and str(value["apiVersion"]).startswith(
        "kustomize.config.k8s.io/"
    )


def _mark(value: Object, marks: Marks) -> Object:
    owner = {OWNER_NAME: marks.name, OWNER_NAMESPACE: marks.namespace}
    metadata = dict(_metadata(value))
    metadata["labels"] = {**_texts(metadata.get("labels")), **owner, **marks.labels}
    if marks.annotations:
        metadata["annotations"] = {**_texts(metadata.get("annotations")), **marks.annotations}
    return {**value, "metadata": metadata}


def _texts(entries: Any) -> dict[str, Any]:
    """Read labels or annotations; null is empty text there. Other wrong types stay, for the API server to name."""
    if not isinstance(entries, dict):
        return {}
    return {key: "" if entry is None else entry for key, entry in entries.items()}


def _refuse_encrypted(value: Object) -> None:
    if value.get("kind") != "Secret" or value.get("apiVersion") != "v1" or "sops" not in value:
        return
    metadata = _metadata(value)
    for entries in (metadata.get("annotations"), metadata.get("labels")):
        if str(_texts(entries).get(DECRYPT, "")).lower() == "disabled":
            return
    namespace = metadata.get("namespace")
    subject = f"Secret/{namespace}/{metadata.get('name')}" if namespace else f"Secret/{metadata.get('name')}"
    raise BuildFailed(
        f"{subject} is SOPS encrypted, configuring decryption is required for this secret to be reconciled"
    )


def _metadata(value: Object) -> dict[str, Any]:
    metadata = value.get("metadata")
    return metadata if isinstance(metadata, dict) else {}
