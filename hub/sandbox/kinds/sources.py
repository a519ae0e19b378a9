"""What is wrong with where containers get variables and files from. Pure."""

import re
from collections.abc import Iterator

from agent.kube.api import Object
from hub.sandbox.kinds import names
from hub.sandbox.kinds.faults import required, wrong, wrongs
from hub.sandbox.kinds.values import indexed, items_at, mapping_at
from hub.sandbox.refusals import Cause

_FIELDS = re.compile(
    r"metadata\.(name|namespace|uid)|metadata\.(labels|annotations)\['.+'\]|spec\.(nodeName|serviceAccountName)"
    r"|status\.(hostIP|hostIPs|podIP|podIPs)"
)
_MODES = "must be a number between 0 and 0777 (octal), both inclusive"
_TYPES = (
    "emptyDir",
    "hostPath",
    "secret",
    "nfs",
    "iscsi",
    "persistentVolumeClaim",
    "rbd",
    "downwardAPI",
    "configMap",
)
_NEEDED = {
    "secret": ("secretName",),
    "configMap": ("name",),
    "persistentVolumeClaim": ("claimName",),
    "hostPath": ("path",),
    "nfs": ("server", "path"),
    "csi": ("driver",),
}


def faults_of_environment(path: str, variables: list[Object]) -> Iterator[Cause]:
    """Yield what is wrong with variables one by one."""
    for place, one in indexed(path, variables):
        if not (name := one.get("name")):
            yield required(f"{place}.name")
        else:
            yield from wrongs(f"{place}.name", name, names.environment_name(name))
        if one.get("valueFrom") is not None:
            yield from _faults_of_value(f"{place}.valueFrom", one["valueFrom"], str(one.get("value") or ""))


def _faults_of_value(path: str, source: Object, text: str) -> Iterator[Cause]:
    given = [key for key, one in source.items() if isinstance(one, dict)]
    for key in given:
        found = source[key]
        if key in ("configMapKeyRef", "secretKeyRef"):
            name = found.get("name") or ""
            yield from wrongs(f"{path}.{key}.name", name, names.subdomain(name))
            if not found.get("key"):
                yield required(f"{path}.{key}.key")
            else:
                yield from wrongs(f"{path}.{key}.key", found["key"], names.config_key(found["key"]))
        elif key == "fieldRef":
            yield from _faults_of_field(f"{path}.fieldRef.fieldPath", found.get("fieldPath") or "")
        elif key == "resourceFieldRef" and not found.get("resource"):
            yield required(f"{path}.resourceFieldRef.resource")
    if not given:
        known = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        yield wrong(path, "", f"must specify one of: {known}")
    elif text:
        yield wrong(path, "", "may not be specified when `value` is not empty")
    elif len(given) > 1:
        yield wrong(path, "", "may not have more than one field specified at a time")


def _faults_of_field(field: str, path: str) -> Iterator[Cause]:
    if not path:
        yield required(field)
    elif not _FIELDS.fullmatch(path):
        yield wrong(field, path, f"error converting fieldPath: field label not supported: {path}")


def faults_of_sources(path: str, sources: list[Object]) -> Iterator[Cause]:
    """Yield what is wrong with whole ConfigMaps and Secrets as variables."""
    for place, one in indexed(path, sources):
        given = [key for key in ("configMapRef", "secretRef") if isinstance(one.get(key), dict)]
        for key in given:
            if not (name := one[key].get("name")):
                yield required(f"{place}.{key}.name")
            else:
                yield from wrongs(f"{place}.{key}.name", name, names.subdomain(name))
        if not given:
            yield wrong(path, "", "must specify one of: `configMapRef` or `secretRef`")
        elif len(given) > 1:
            yield wrong(path, "", "may not have more than one field specified at a time")


def faults_of_source(path: str, kind: str, source: Object) -> Iterator[Cause]:
    """Yield what is wrong with the source of a volume."""
    for key in _NEEDED.get(kind, ()):
        if not source.get(key):
            yield required(f"{path}.{key}")
    if kind == "nfs" and not str(source.get("path") or "").startswith("/"):
        yield wrong(f"{path}.path", source.get("path") or "", "must be an absolute path")
    if kind == "hostPath":
        yield from faults_of_way_up(f"{path}.path", source.get("path") or "")
    mode = source.get("defaultMode")
    if mode is not None and not 0 <= mode <= 0o777:
        yield wrong(f"{path}.defaultMode", mode, _MODES)
    if kind in ("secret", "configMap"):
        for place, one in indexed(f"{path}.items", items_at(source, "items")):
            yield from _faults_of_item(place, one)


def in_order_of_types(sources: list[tuple[str, Object]]) -> list[tuple[str, Object]]:
    """Return the sources of one volume in the order in which a server looks for them; only the first may be."""
    return sorted(sources, key=lambda one: _TYPES.index(one[0]) if one[0] in _TYPES else len(_TYPES))


def faults_of_way_up(field: str, path: str) -> Iterator[Cause]:
    """Yield that a path leads out of where it begins."""
    if ".." in path.split("/"):
        yield wrong(field, path, "must not contain '..'")


def _faults_of_item(path: str, item: Object) -> Iterator[Cause]:
    if not item.get("key"):
        yield required(f"{path}.key")
    if not (target := item.get("path")):
        yield required(f"{path}.path")
    elif target.startswith("/"):
        yield wrong(f"{path}.path", target, "must be a relative path")
    else:
        yield from faults_of_way_up(f"{path}.path", target)
    mode = mapping_at(item).get("mode")
    if mode is not None and not 0 <= mode <= 0o777:
        yield wrong(f"{path}.mode", mode, _MODES)
