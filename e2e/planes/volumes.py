"""A Pod's environment and volumes, made of what its API server holds."""

import base64
import time
from pathlib import Path
from typing import Any

from e2e.planes.container import Mount
from e2e.planes.door import Door, DoorShut, Object


class NotYet(Exception):
    """Something that the Pod refers to is not there, or of a kind that this runner does not know."""


class Volumes:
    """The environment and volumes of one Pod, below one folder of the host."""

    def __init__(self, door: Door, pod: Object, folder: Path, address: str) -> None:
        self._door = door
        self._pod = pod
        self._metadata = pod["metadata"]
        self._folder = folder / "volumes"
        self._address = address
        self._tokens: dict[str, tuple[str, float]] = {}

    async def env(self, container: Object) -> dict[str, str]:
        """Return the container's variables. Raises NotYet."""
        found: dict[str, str] = {}
        for source in container.get("envFrom") or ():
            for kind, part in (("secrets", "secretRef"), ("configmaps", "configMapRef")):
                if part in source:
                    data = await self._data(kind, source[part]["name"], source[part].get("optional", False))
                    prefix = source.get("prefix", "")
                    found |= {prefix + key: value.decode() for key, value in data.items()}
        for one in container.get("env") or ():
            value = await self._value(one)
            if value is not None:
                found[one["name"]] = value
        return found

    async def mounts(self, container: Object) -> list[Mount]:
        """Fill the volumes that the container mounts and return where they belong. Raises NotYet."""
        await self.refresh(container)
        volumes = {one["name"]: one for one in self._pod["spec"].get("volumes") or ()}
        return [
            Mount(
                source=self._folder / one["name"] / one.get("subPath", ""),
                path=one["mountPath"],
                is_writable="emptyDir" in volumes[one["name"]] and not one.get("readOnly", False),
            )
            for one in container.get("volumeMounts") or ()
        ]

    async def refresh(self, container: Object) -> None:
        """Bring the files up to date, tokens that grow old included. Raises NotYet."""
        mounted = {one["name"] for one in container.get("volumeMounts") or ()}
        for volume in self._pod["spec"].get("volumes") or ():
            if volume["name"] in mounted:
                folder = self._folder / volume["name"]
                folder.mkdir(parents=True, exist_ok=True)
                await self._fill(volume, folder)

    async def _fill(self, volume: Object, folder: Path) -> None:
        if "emptyDir" in volume:
            return
        if "projected" in volume:
            files: dict[str, bytes] = {}
            for source in volume["projected"].get("sources") or ():
                files |= await self._source(source)
        elif "secret" in volume:
            files = await self._source(
                {"secret": {**volume["secret"], "name": volume["secret"]["secretName"]}}
            )
        elif "configMap" in volume:
            files = await self._source({"configMap": volume["configMap"]})
        else:
            raise NotYet(f"volume {volume['name']} is of a kind that this runner does not know")
        _write(folder, files)

    async def _source(self, source: Object) -> dict[str, bytes]:
        match source:
            case {"secret": wanted}:
                return _picked(
                    await self._data("secrets", wanted["name"], wanted.get("optional", False)), wanted
                )
            case {"configMap": wanted}:
                data = await self._data("configmaps", wanted["name"], wanted.get("optional", False))
                return _picked(data, wanted)
            case {"serviceAccountToken": wanted}:
                return {wanted["path"]: (await self._token(wanted)).encode()}
            case {"downwardAPI": wanted}:
                return {
                    one["path"]: self._field(one["fieldRef"]["fieldPath"]).encode()
                    for one in wanted.get("items") or ()
                }
        raise NotYet(f"projected source {', '.join(source)} is not known to this runner")

    async def _token(self, wanted: Object) -> str:
        token, good_until = self._tokens.get(wanted["path"], ("", 0.0))
        if time.monotonic() < good_until:
            return token
        lifetime_s = wanted.get("expirationSeconds", 3600)
        account = self._pod["spec"].get("serviceAccountName") or "default"
        request: dict[str, Any] = {
            "expirationSeconds": lifetime_s,
            "boundObjectRef": {
                "apiVersion": "v1",
                "kind": "Pod",
                "name": self._metadata["name"],
                "uid": self._metadata["uid"],
            },
        }
        if "audience" in wanted:
            request["audiences"] = [wanted["audience"]]
        path = f"/api/v1/namespaces/{self._metadata['namespace']}/serviceaccounts/{account}/token"
        made = await self._door.create(
            path, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": request}
        )
        token = str(made["status"]["token"])
        self._tokens[wanted["path"]] = token, time.monotonic() + lifetime_s * 0.8
        return token

    async def _value(self, one: Object) -> str | None:
        match one.get("valueFrom"):
            case None:
                return str(one.get("value") or "")
            case {"fieldRef": wanted}:
                return self._field(wanted["fieldPath"])
            case {"secretKeyRef": wanted}:
                return await self._key("secrets", wanted)
            case {"configMapKeyRef": wanted}:
                return await self._key("configmaps", wanted)
        raise NotYet(f"variable {one['name']} comes from a place that this runner does not know")

    async def _key(self, kind: str, wanted: Object) -> str | None:
        is_optional = wanted.get("optional", False)
        data = await self._data(kind, wanted["name"], is_optional)
        if wanted["key"] in data:
            return data[wanted["key"]].decode()
        if is_optional:
            return None
        raise NotYet(f"couldn't find key {wanted['key']} in {kind} {wanted['name']}")

    def _field(self, path: str) -> str:
        known = {
            "metadata.name": self._metadata["name"],
            "metadata.namespace": self._metadata["namespace"],
            "metadata.uid": self._metadata["uid"],
            "spec.nodeName": self._pod["spec"].get("nodeName", ""),
            "spec.serviceAccountName": self._pod["spec"].get("serviceAccountName", ""),
            "status.podIP": self._address,
            "status.hostIP": "127.0.0.1",
        }
        if path not in known:
            raise NotYet(f"field {path} is not known to this runner")
        return str(known[path])

    async def _data(self, kind: str, name: str, is_optional: bool) -> dict[str, bytes]:
        path = f"/api/v1/namespaces/{self._metadata['namespace']}/{kind}/{name}"
        try:
            value = await self._door.get(path)
        except DoorShut as problem:
            if problem.status == 404 and is_optional:
                return {}
            if problem.status == 404:
                raise NotYet(f"{kind} {name} not found") from problem
            raise
        if kind == "secrets":
            return {key: base64.b64decode(text) for key, text in (value.get("data") or {}).items()}
        binary = {key: base64.b64decode(text) for key, text in (value.get("binaryData") or {}).items()}
        return {key: text.encode() for key, text in (value.get("data") or {}).items()} | binary


def _picked(data: dict[str, bytes], wanted: Object) -> dict[str, bytes]:
    items = wanted.get("items")
    if not items:
        return data
    missing = [one["key"] for one in items if one["key"] not in data]
    if missing and not wanted.get("optional", False):
        raise NotYet(f"references non-existent key {missing[0]} of {wanted['name']}")
    return {one["path"]: data[one["key"]] for one in items if one["key"] in data}


def _write(folder: Path, files: dict[str, bytes]) -> None:
    """Make the folder hold exactly these files, each of them whole at any moment."""
    for path, content in files.items():
        file = folder / path
        if file.is_file() and file.read_bytes() == content:
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        staged = file.with_name(f"..{file.name}")
        staged.write_bytes(content)
        staged.chmod(0o644)
        staged.replace(file)
    for file in [one for one in folder.rglob("*") if one.is_file()]:
        if file.relative_to(folder).as_posix() not in files:
            file.unlink()
