"""Generation and build of a Kustomization's directory, with the real renderer."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from hub.build import kubeyaml, kustomize
from hub.build.errors import BuildFailed
from hub.build.kustomize import find_directory, is_local_relative, prepare
from hub.build.objects import Marks, check_identity, finish
from hub.build.render import BuildRequest, Rendered, RenderPool
from hub.build.substitute import Substitution, merge_variables, substitute
from hub.sources import ignore
from tests.conformance import support
from tests.hub.build.adapter import renderers


def _files(row: Mapping[str, Any]) -> dict[str, bytes]:
    return {name: content.encode() for name, content in row["files"].items()}


def _ignored(row: Mapping[str, Any]) -> kustomize.Ignored | None:
    """Give the ignore rules of a working folder, None when the row has none."""
    extra = row.get("source_ignore", row.get("ignore"))
    if extra is None:
        return None
    texts = {name: text for name, text in row["files"].items() if name.endswith(ignore.FILE_NAME)}
    rules = ignore.Matcher(patterns=(*ignore.tree_patterns(texts), *ignore.read_patterns(extra)))
    return lambda name, is_directory, /: rules.ignores(name.split("/"), is_dir=is_directory)


def _rows(*ops: str) -> list[Any]:
    return [case for case in support.cases("kustomize/generator.json") if case.values[0]["op"] in ops]


@pytest.mark.parametrize("row", _rows("is-local-relative-path"))
def test_local_relative_path(row: dict[str, Any]) -> None:
    assert is_local_relative(row["input"]) is row["expected"]


@pytest.mark.parametrize("row", _rows("scan"))
async def test_scan(row: dict[str, Any]) -> None:
    prepared = prepare(_files(row), row["path"], {}, _ignored(row))
    request = BuildRequest(
        files=prepared.files, path=prepared.path, rewrite=prepared.kustomization, manifests=prepared.manifests
    )
    async with renderers() as pool:
        if "error" in row:
            with pytest.raises(BuildFailed, match="failed to decode Kubernetes YAML from"):
                await pool.build(request)
        else:
            await pool.build(request)
            assert list(prepared.manifests) == row["expected"]["paths"]


@pytest.mark.parametrize("row", _rows("build", "generate"))
async def test_generator(row: dict[str, Any]) -> None:
    files, path = _files(row), row["path"]
    if row["spec"] is None:
        await _check_plain(row, files, path)
        return
    prepared = prepare(files, path, row["spec"], _ignored(row))
    expected = row["expected"]
    _check_file(prepared.files[prepared.kustomization].decode(), expected)
    if "file_name" in expected:
        assert prepared.kustomization == expected["file_name"]
    if "action" in expected:
        assert prepared.created is (expected["action"] == "created")
    if row["op"] == "build":
        request = BuildRequest(files=prepared.files, path=path, rewrite=prepared.kustomization)
        await _check_build(row, request)


async def _check_plain(row: dict[str, Any], files: Mapping[str, bytes], path: str) -> None:
    await _check_build(row, BuildRequest(files=files, path=path))


async def _check_build(row: dict[str, Any], request: BuildRequest) -> None:
    async with renderers() as pool:
        if row.get("build_error") or "error" in row:
            with pytest.raises(BuildFailed, match=row.get("message_contains") or "build failed"):
                await pool.build(request)
        else:
            _check_rendered(await pool.build(request), row["expected"])


def _check_file(text: str, expected: Mapping[str, Any]) -> None:
    document = json.loads(text)
    for field, value in expected.get("kustomization", {}).items():
        assert document.get(field) == value
    for field, value in expected.get("kustomization_includes", {}).items():
        if isinstance(value, list):
            assert all(entry in document[field] for entry in value)
        else:
            assert document[field] == value
    for part in expected.get("kustomization_contains", ()):
        assert part in text


def _check_rendered(resources: list[Rendered], expected: Mapping[str, Any]) -> None:
    values = [resource.object for resource in resources]
    if "yaml" in expected:
        assert "---\n".join(resource.text for resource in resources) == expected["yaml"]
    assert [kubeyaml.load(resource.text) for resource in resources] == values
    containers = [container for value in values for container in _containers(value)]
    names = [value["metadata"]["name"] for value in values]
    facts = {
        "count": len(values),
        "container_images": [container.get("image") for container in containers],
        "container_resources": [container.get("resources") for container in containers],
        "container_volume_mounts": [container.get("volumeMounts") for container in containers],
        "namespaces": [value["metadata"].get("namespace") for value in values],
        "resource_names": names,
    }
    for field, fact in facts.items():
        if field in expected:
            assert fact == expected[field]
    for part in expected.get("resource_names_contain", ()):
        assert any(part in name for name in names)


def _containers(value: Mapping[str, Any]) -> list[dict[str, Any]]:
    template = (value.get("spec") or {}).get("template") or {}
    return (template.get("spec") or {}).get("containers") or []


@pytest.mark.parametrize("row", support.cases("kustomize/flux_build.json"))
async def test_flux_build(row: dict[str, Any]) -> None:
    async with renderers() as pool:
        path = {"path": row["path"]} if "path" in row else {"path": "."}
        assert await _flux_build(pool, row, row["kustomization"], path) == row["expected"]


async def _flux_build(
    pool: RenderPool, row: Mapping[str, Any], kustomization: Mapping[str, Any], path: Mapping[str, str]
) -> list[dict[str, Any]]:
    spec = {**kustomization["spec"], **path}
    metadata = kustomization["metadata"]
    find_directory(_files(row), spec["path"])
    post_build = spec.get("postBuild") or {}
    substitution = Substitution(variables=merge_variables([post_build.get("substitute") or {}]), strict=False)
    rendered = await kustomize.build(pool, _files(row), spec)
    for resource in rendered:
        check_identity(resource.object)
    values = [substitute(resource, substitution) for resource in rendered]
    objects = finish(values, Marks(name=metadata["name"], namespace=metadata["namespace"]))
    if not row.get("recursive"):
        return objects
    found = list(objects)
    for value in objects:
        if value["kind"] == "Kustomization" and value["apiVersion"].startswith(
            "kustomize.toolkit.fluxcd.io/"
        ):
            found += await _flux_build(pool, row, value, {})
    return found
