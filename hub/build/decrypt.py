"""Decrypts what SOPS encrypted for a build: files that kustomize reads, then resources that it renders. Spec: the Kustomization build, F.3.

Pure but for the call of the renderer. What is decrypted goes on in memory and is marked confidential; no message holds any of it.
"""

import base64
import binascii
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from agent.kit.tasks import Offload
from hub.build import kubeyaml
from hub.build.emit import text_of
from hub.build.errors import BuildFailed, LimitExceeded
from hub.build.files import Files
from hub.build.key_services.asking import KeyService, answer
from hub.build.kustomize import Outcome, Renderer, Selection, render
from hub.build.objects import DECRYPT
from hub.build.reach import KUSTOMIZATION_NAMES
from hub.build.render import Rendered, RenderUnavailable
from hub.build.sops.document import MARKS, Form, form_of_content, form_of_name, open_document, open_object
from hub.build.sops.errors import SopsFailed
from hub.build.sops.keyring import Keyring, KeysWanted
from hub.build.sops.metadata import KeyKind, SealedKey

T = TypeVar("T")
MAX_BYTES: Final = 5 << 20
_MAC = re.compile(rb'mac"?: "?(ENC\[[A-Za-z0-9_,:+/=]+\])')
_MANIFESTS: Final = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decryption:
    """What a delivery is decrypted with. `identity` differs when the keys do; `requires_mac` refuses what was changed after it was encrypted."""

    keys: Keyring
    identity: str
    services: Mapping[KeyKind, KeyService] = field(default_factory=dict)
    requires_mac: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Origins:
    """The files that resources come from, and which has which MAC."""

    files: Mapping[str, bytes]
    macs: Mapping[bytes, str]


class Opening:
    """One build's decryption."""

    def __init__(self, decryption: Decryption) -> None:
        self.decryption = decryption
        self.changed: list[str] = []
        """What does not have the MAC that it was encrypted with, by name."""
        self._origins = _Origins(files={}, macs={})
        self._checked: set[str] = set()

    def sources(self, selection: Selection) -> dict[str, bytes]:
        """Return the files of Secret generators and patches that are encrypted, decrypted. Raises BuildFailed."""
        files = selection.prepared.files
        opened: dict[str, bytes] = {}
        wanted: list[SealedKey] = []
        for name, form in _named(files, selection.prepared.path):
            if name in opened or name not in files or MARKS[form] not in files[name]:
                continue
            try:
                opened[name] = self._open(name, files[name], form, form)
            except KeysWanted as found:
                wanted.extend(found.keys)
            except SopsFailed as problem:
                raise BuildFailed(f"error decrypting sources: {name}: {problem}") from problem
        if wanted:
            raise KeysWanted(wanted)
        return opened

    def resources(self, rendered: Sequence[Rendered], files: Mapping[str, bytes]) -> list[Rendered]:
        """Return the resources with what is encrypted in them decrypted; `files` are those that they come from. Raises BuildFailed."""
        macs = {mac: name for name in files if name.endswith(_MANIFESTS) for mac in _MAC.findall(files[name])}
        self._origins = _Origins(files=files, macs=macs)
        opened: list[Rendered] = []
        wanted: list[SealedKey] = []
        for one in rendered:
            try:
                opened.append(self._resource(one))
            except KeysWanted as found:
                wanted.extend(found.keys)
        if wanted:
            raise KeysWanted(wanted)
        return opened

    def _resource(self, one: Rendered) -> Rendered:
        value = one.object
        metadata = value.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        annotations = metadata.get("annotations")
        if isinstance(annotations, dict) and str(annotations.get(DECRYPT, "")).lower() == "disabled":
            return one
        subject = f"'{metadata.get('namespace') or ''}/{metadata.get('name')}' {value.get('kind')}"
        try:
            opened = self._object(value, subject)
        except SopsFailed as problem:
            raise BuildFailed(f"decryption failed for '{metadata.get('name')}': {problem}") from problem
        return (
            one if opened is None else replace(one, object=opened, text=text_of(opened), is_confidential=True)
        )

    def _object(self, value: dict[str, Any], subject: str) -> dict[str, Any] | None:
        """Return the object decrypted, None when nothing in it is encrypted."""
        sops = value.get("sops")
        if isinstance(sops, dict) and sops.get("mac"):
            try:
                opened = open_object(value, self.decryption.keys)
                self._check_file(str(sops["mac"]), subject)
            except SopsFailed as problem:
                raise SopsFailed(f"failed to decrypt and format {subject} data: {problem}") from problem
            return opened
        data = value.get("data")
        if value.get("kind") != "Secret" or not isinstance(data, dict):
            return None
        found = {key: self._entry(key, text, subject) for key, text in data.items() if isinstance(text, str)}
        entries = {key: text for key, text in found.items() if text is not None}
        return value | {"data": data | entries} if entries else None

    def _entry(self, key: str, text: str, subject: str) -> str | None:
        """Return an entry of a Secret decrypted, None when it is not encrypted."""
        try:
            data = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            # The API server says what is wrong with it.
            return None
        form = form_of_content(data)
        if form is None:
            return None
        try:
            opened = self._open(f"{subject} field '{key}'", data, form, form_of_name(key))
        except SopsFailed as problem:
            raise SopsFailed(f"failed to decrypt and format {subject} field '{key}': {problem}") from problem
        return base64.b64encode(opened).decode()

    def _open(self, name: str, data: bytes, source: Form, target: Form) -> bytes:
        if len(data) > MAX_BYTES:
            raise SopsFailed(
                f"cannot decrypt file with size ({len(data)} bytes) exceeding limit ({MAX_BYTES})"
            )
        opened = open_document(data, source, target, self.decryption.keys)
        self._judge(name, is_intact=opened.is_intact)
        return opened.content

    def _check_file(self, mac: str, subject: str) -> None:
        """Check the file that a resource comes from: kustomize reorders and adds, so that the resource's own MAC says nothing."""
        name = self._origins.macs.get(mac.encode())
        if name is None:
            self._judge(subject, is_intact=False)
        elif name not in self._checked:
            is_intact = self._is_intact(name)
            # Only now: when keys have to be asked for first, it is looked at again.
            self._checked.add(name)
            self._judge(name, is_intact=is_intact)

    def _is_intact(self, name: str) -> bool:
        """Tell whether a file has its MAC; one that cannot be read by itself does not."""
        form = form_of_name(name)
        try:
            return open_document(self._origins.files[name], form, form, self.decryption.keys).is_intact
        except SopsFailed:
            return False

    def _judge(self, name: str, *, is_intact: bool) -> None:
        if is_intact or name in self.changed:
            return
        if self.decryption.requires_mac:
            raise SopsFailed(
                f"failed to verify sops data integrity: {name} was changed after it was encrypted"
            )
        self.changed.append(name)


async def with_keys(decryption: Decryption, offload: Offload, work: Callable[[], T]) -> T:
    """Do work that opens documents; the services that it needs keys of are asked, and it is done again. Raises BuildFailed."""
    while True:
        try:
            return await offload(work)
        except KeysWanted as found:
            wanted = found.keys
        # Ends: what was answered is wanted no more.
        await answer(decryption.services, wanted, decryption.keys.answers)


async def render_opened(renderer: Renderer, selection: Selection, opened: Mapping[str, bytes]) -> Outcome:
    """Build with these files decrypted; what comes of them is confidential. Raises BuildFailed, RenderUnavailable.

    What kustomize says may quote the files. So its message is shown only if it says the same of the encrypted ones.
    """
    if not opened:
        return await render(renderer, selection)
    try:
        outcome = await render(renderer, selection.amended(opened))
    except LimitExceeded:
        raise
    except BuildFailed as problem:
        said = str(problem)
    except RenderUnavailable:
        raise RenderUnavailable("the renderer ended during a build of decrypted files") from None
    else:
        return replace(outcome, rendered=[replace(one, is_confidential=True) for one in outcome.rendered])
    try:
        await render(renderer, selection)
    except BuildFailed as problem:
        if str(problem) == said:
            raise
    names = ", ".join(sorted(opened))
    raise BuildFailed(
        f"kustomize build failed on the content of a decrypted file, which the message could quote: see {names}"
    )


def _named(files: Files, path: str) -> Iterator[tuple[str, Form]]:
    """Yield the files that Secret generators and patches name, here and in the folders that are built with this one."""
    wanted, seen = [path], {path}
    while wanted:
        folder = wanted.pop()
        document = _kustomization(files, folder)
        for generator in _mappings(document, "secretgenerator"):
            for entry in _texts(generator, "files"):
                key, _, name = entry.partition("=")
                yield _join(folder, name or key), form_of_name(key)
            for name in (*_texts(generator, "envs"), *_texts(generator, "env")):
                form = form_of_name(name)
                yield _join(folder, name), Form.DOTENV if form is Form.BINARY else form
        for patch in _mappings(document, "patches"):
            for name in _texts(patch, "path"):
                yield _join(folder, name), form_of_name(name)
        for name in (*_texts(document, "resources"), *_texts(document, "components")):
            below = _join(folder, name)
            if below not in seen and files.is_folder(below):
                seen.add(below)
                wanted.append(below)


def _kustomization(files: Files, folder: str) -> Mapping[str, Any]:
    """Return the folder's kustomization file, its fields in lower case; one that cannot be read is kustomize's to name."""
    names = [name for one in KUSTOMIZATION_NAMES if (name := _join(folder, one)) in files]
    if len(names) > 1:
        raise BuildFailed(f"error decrypting sources: found multiple kustomization files: {', '.join(names)}")
    try:
        document = kubeyaml.load(files[names[0]]) if names else {}
    except kubeyaml.YAMLInvalid:
        return {}
    return _lower(document)


def _lower(document: Any) -> Mapping[str, Any]:
    return {key.lower(): value for key, value in document.items()} if isinstance(document, dict) else {}


def _mappings(document: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = document.get(name)
    return [_lower(one) for one in found] if isinstance(found, list) else []


def _texts(document: Mapping[str, Any], name: str) -> list[str]:
    found = document.get(name)
    found = found if isinstance(found, list) else [found]
    return [one for one in found if isinstance(one, str) and one]


def _join(folder: str, name: str) -> str:
    return posixpath.normpath(posixpath.join(folder, name))
