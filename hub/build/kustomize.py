"""From a source's tree and a Kustomization to the resources that kustomize renders.

Pure but for the call of the renderer. What Flux does around `kustomize build` is here: find the directory, generate
its kustomization.yaml or amend the one it has with the Kustomization's own fields, build. Trees are mappings of file name
to content, names relative to the artifact's root; they are never changed.
"""

import json
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from agent.kit.tasks import in_thread
from hub.build import kubeyaml
from hub.build.errors import BuildFailed, LimitExceeded
from hub.build.files import Files
from hub.build.reach import KUSTOMIZATION_NAMES, needed
from hub.build.render import BuildRequest, Rendered

Document = dict[str, Any]

_REMOTE: Final = ("git::", "gh:", "ssh://", "https://", "http://", "git@", "github.com:", "github.com/")
_SELECTOR: Final = ("group", "version", "kind", "name", "namespace", "labelSelector", "annotationSelector")
_FIELDS: Final = {
    name.lower(): name
    for name in (
        "apiVersion", "kind", "resources", "namespace", "namePrefix", "nameSuffix", "patches", "components",
        "patchesStrategicMerge", "patchesJson6902", "images", "buildMetadata", "crds",
    )
}  # fmt: skip
# JSON is YAML but for these, which YAML refuses or takes for line breaks.
_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


class PathNotFound(BuildFailed):
    """The source has no such directory."""


class Ignored(Protocol):
    """Tells whether ignore rules leave a file or directory of the tree out."""

    def __call__(self, name: str, is_directory: bool, /) -> bool: ...


class Renderer(Protocol):
    """What builds a tree; `render.RenderPool` is one."""

    async def build(self, request: BuildRequest) -> list[Rendered]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A tree whose directory has the kustomization file to build."""

    files: Files
    path: str
    kustomization: str
    created: bool
    manifests: tuple[str, ...]

    def request(self, files: Mapping[str, bytes]) -> BuildRequest:
        """Return the request to build it with these files of it."""
        return BuildRequest(files=files, path=self.path, rewrite=self.kustomization, manifests=self.manifests)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What is to be built: a prepared tree, the few files of it that are expected to suffice, and the paths at or below which there is
    all that those follow from."""

    prepared: Prepared
    few: Mapping[str, bytes]
    paths: tuple[str, ...]

    def used(self, outcome: "Outcome") -> Mapping[str, bytes]:
        """Return the files that a build was made with."""
        return self.few if outcome.of_few else self.prepared.files

    def amended(self, contents: Mapping[str, bytes]) -> "Selection":
        """Return it with other contents of some files."""
        files = self.prepared.files
        for name, content in contents.items():
            files = files.amended(name, content)
        few = {name: contents.get(name, content) for name, content in self.few.items()}
        return replace(self, prepared=replace(self.prepared, files=files), few=few)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What kustomize made, and whether the few files sufficed for it."""

    rendered: list[Rendered]
    of_few: bool


async def build(renderer: Renderer, files: Mapping[str, bytes], spec: Mapping[str, Any]) -> list[Rendered]:
    """Build what `spec.path` names; raises BuildFailed and what the renderer raises."""
    return (await render(renderer, await in_thread(lambda: select(files, spec)))).rendered


def select(files: Mapping[str, bytes], spec: Mapping[str, Any]) -> Selection:
    """Prepare what `spec.path` names, and find the files that it needs. Takes long for large trees. Raises BuildFailed."""
    files = Files.of(files)
    prepared = prepare(files, find_directory(files, spec.get("path") or ""), spec)
    found = needed(prepared.files, prepared.path)
    # A component that is not there may be left out, and may come.
    components = (_join(prepared.path, one) for one in spec.get("components") or ())
    return Selection(prepared=prepared, few=found.files, paths=(*found.paths, *components))


async def render(renderer: Renderer, selection: Selection) -> Outcome:
    """Build with the few files, and with the whole tree when that fails; raises BuildFailed and what the renderer raises."""
    prepared, few = selection.prepared, selection.few
    try:
        return Outcome(rendered=await renderer.build(prepared.request(few)), of_few=True)
    except LimitExceeded:
        raise
    except BuildFailed:
        if len(few) == len(prepared.files):
            raise
    return Outcome(rendered=await renderer.build(prepared.request(prepared.files)), of_few=False)


def find_directory(files: Mapping[str, bytes], path: str) -> str:
    """Give the directory that a path names, `.` for the root; a path cannot leave the root, whatever it says."""
    directory = posixpath.normpath("/" + path).lstrip("/") or "."
    if Files.of(files).is_folder(directory):
        return directory
    problem = "not a directory" if directory in files else "no such file or directory"
    raise PathNotFound(f"kustomization path not found: {path}: {problem}")


def prepare(
    files: Mapping[str, bytes], path: str, spec: Mapping[str, Any], ignored: Ignored | None = None
) -> Prepared:
    """Generate the directory's kustomization file, or amend it with the fields of a Flux Kustomization's spec.

    An artifact has been through its ignore rules; `ignored` is for a working folder that has not.
    """
    files = Files.of(files)
    manifests: tuple[str, ...] = ()
    existing = next((name for kind in KUSTOMIZATION_NAMES if (name := _join(path, kind)) in files), None)
    if existing is not None:
        document = _read(existing, files[existing])
        if not document.get("resources"):
            # Else kustomize refuses a file that names nothing.
            document["buildMetadata"] = ["originAnnotations"]
        if ignored is not None:
            _leave_out(document, files, path, ignored)
    else:
        _refuse_nameless(files, path)
        found = _scan(files, path)
        entries = [name for name in found if ignored is None or name not in files or not ignored(name, False)]
        manifests = tuple(name for name in entries if name in files)
        document = {"resources": [_relative(path, name) for name in entries]}
        if not entries:
            document = {"namespace": "_placeholder"}
    document["apiVersion"] = document.get("apiVersion") or "kustomize.config.k8s.io/v1beta1"
    document["kind"] = document.get("kind") or "Kustomization"
    _amend(document, spec, lambda component: _exists(files, _join(path, component)))
    name = existing or _join(path, KUSTOMIZATION_NAMES[0])
    return Prepared(
        files=files.amended(name, _write(document)),
        path=path,
        kustomization=name,
        created=existing is None,
        manifests=manifests,
    )


def is_local_relative(path: str) -> bool:
    """Tell whether a component's path is one inside the source, by its looks."""
    lower = path.lower()
    if any(lower.startswith(prefix) and len(path) > len(prefix) for prefix in _REMOTE):
        return False
    return not path.startswith("/") and not lower.removeprefix("file://").startswith("/")


def _refuse_nameless(files: Files, path: str) -> None:
    """Raise BuildFailed for a manifest that cannot be named: left out, what it made would be deleted."""
    for name in sorted(files.nameless):
        if name.endswith((".yaml", ".yml")) and (path == "." or name.startswith(f"{path}/")):
            raise BuildFailed(f"the name of {name!a} is no UTF-8 text; rename the file")


def _scan(files: Files, path: str) -> Iterator[str]:
    """Walk a directory in lexical order: manifests, and directories that have a kustomization file of their own."""
    start = 0 if path == "." else len(path) + 1
    below = [(name[start:].split("/"), name) for name in files.below(path)]
    bases = {posixpath.dirname(name) for _, name in below if posixpath.basename(name) in KUSTOMIZATION_NAMES}
    given: set[str] = set()
    for parts, name in below:
        parents = (_join(path, "/".join(parts[:depth])) for depth in range(1, len(parts)))
        base = next((parent for parent in parents if parent in bases), None)
        if base is None and name.endswith((".yaml", ".yml")):
            yield name
        elif base is not None and base not in given:
            given.add(base)
            yield base


def _leave_out(document: Document, files: Files, path: str, ignored: Ignored) -> None:
    """Drop ignored entries from the lists of a kustomization file that name files of the tree."""
    for field in ("resources", "components", "crds"):
        entries = document.get(field)
        if isinstance(entries, list):
            names = [(entry, _join(path, str(entry))) for entry in entries]
            document[field] = [
                entry
                for entry, name in names
                if not _exists(files, name) or not ignored(name, name not in files)
            ]


def _amend(document: Document, spec: Mapping[str, Any], exists: "Exists") -> None:
    """Merge the fields of the spec, in Flux's order."""
    for field, target in (
        ("targetNamespace", "namespace"),
        ("namePrefix", "namePrefix"),
        ("nameSuffix", "nameSuffix"),
    ):
        if spec.get(field):
            document[target] = spec[field]
    _append(
        document, "patches", [_patch(patch, patch.get("patch", "")) for patch in spec.get("patches") or ()]
    )
    for component in spec.get("components") or ():
        if not is_local_relative(component):
            raise BuildFailed(f"component path '{component}' must be local and relative")
        if exists(component) or not spec.get("ignoreMissingComponents"):
            _append(document, "components", [component])
    merges = spec.get("patchesStrategicMerge") or ()
    _append(document, "patchesStrategicMerge", [json.dumps(merge, ensure_ascii=False) for merge in merges])
    operations = spec.get("patchesJson6902") or ()
    _append(
        document, "patchesJson6902", [_patch(patch, json.dumps(patch.get("patch"))) for patch in operations]
    )
    for image in spec.get("images") or ():
        _set_image(document, image)
    if spec.get("buildMetadata"):
        document["buildMetadata"] = list(spec["buildMetadata"])


class Exists(Protocol):
    """Tells whether a component is in the tree."""

    def __call__(self, component: str, /) -> bool: ...


def _append(document: Document, field: str, entries: Sequence[Any]) -> None:
    if not entries:
        return
    present = document.get(field) or []
    if not isinstance(present, list):
        raise BuildFailed(f"{field} in the kustomization file must be a list")
    document[field] = [*present, *entries]


def _patch(patch: Mapping[str, Any], text: str) -> Document:
    target = patch.get("target")
    if target is None:
        return {"patch": text}
    return {"patch": text, "target": {field: target[field] for field in _SELECTOR if target.get(field)}}


def _set_image(document: Document, image: Mapping[str, Any]) -> None:
    """Merge one image; tag and digest say one thing together and are replaced together."""
    images = [dict(entry) if isinstance(entry, dict) else entry for entry in document.get("images") or ()]
    document["images"] = images
    found = next(
        (entry for entry in images if isinstance(entry, dict) and entry.get("name") == image["name"]), None
    )
    if found is None:
        found = {"name": image["name"]}
        images.append(found)
    if image.get("newName"):
        found["newName"] = image["newName"]
    if image.get("newTag") or image.get("digest"):
        for field in ("newTag", "digest"):
            found.pop(field, None)
            if image.get(field):
                found[field] = image[field]


def _read(name: str, content: bytes) -> Document:
    try:
        document = kubeyaml.load(content)
    except kubeyaml.YAMLInvalid as e:
        raise BuildFailed(f"failed to decode {name}: {e}") from e
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise BuildFailed(
            f"failed to decode {name}: it is not a Kustomization but a {type(document).__name__}"
        )
    # The library reads field names in any case.
    fields: Document = document
    return {_FIELDS.get(field.lower(), field): value for field, value in fields.items()}


def _write(document: Document) -> bytes:
    text = json.dumps(document, ensure_ascii=False)
    return _UNSAFE.sub(lambda found: f"\\u{ord(found.group()):04x}", text).encode()


def _exists(files: Files, name: str) -> bool:
    return name in files or files.is_folder(name)


def _join(path: str, name: str) -> str:
    return posixpath.normpath(posixpath.join(path, name))


def _relative(path: str, name: str) -> str:
    return f"./{name}" if path == "." else f".{name.removeprefix(path)}"
