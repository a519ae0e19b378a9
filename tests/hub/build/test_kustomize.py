import json
from typing import Any

import pytest

from hub.build import kustomize
from hub.build.errors import BuildFailed
from hub.build.kustomize import PathNotFound, find_directory, prepare
from hub.build.render import BuildRequest, Rendered
from tests.hub.build.adapter import config_map, renderers, tree


def amended(content: str, **spec: Any) -> dict[str, Any]:
    prepared = prepare({"kustomization.yaml": content.encode()}, ".", spec)
    document: dict[str, Any] = json.loads(prepared.files["kustomization.yaml"])
    return document


def test_resources_are_listed_in_the_order_of_a_walk() -> None:
    files = tree(
        app__b_yaml="x", app__a__z_yml="x", app__a_b_yaml="x", app__c__kustomization_yml="x", app__c__d__e_yaml="x",
        app__notes_txt="x", app__f__Kustomization="x", other_yaml="x", app___hidden__h_yaml="x",
    )  # fmt: skip
    prepared = prepare(files, "app", {})
    document = json.loads(prepared.files["app/kustomization.yaml"])
    assert document["resources"] == ["./.hidden/h.yaml", "./a/z.yml", "./a.b.yaml", "./b.yaml", "./c", "./f"]
    assert prepared.created
    assert prepared.manifests == ("app/.hidden/h.yaml", "app/a/z.yml", "app/a.b.yaml", "app/b.yaml")


def test_the_given_tree_does_not_change() -> None:
    files = {"kustomization.yaml": b"resources: [a.yaml]"}
    prepare(files, ".", {"targetNamespace": "x"})
    assert files == {"kustomization.yaml": b"resources: [a.yaml]"}


def test_an_empty_directory_builds_nothing() -> None:
    assert json.loads(prepare({}, ".", {}).files["kustomization.yaml"])["namespace"] == "_placeholder"


def test_the_spec_is_merged_into_the_file() -> None:
    document = amended(
        "resources: [a.yaml]\nnamePrefix: old-\npatches: [{path: p.yaml}]\n",
        targetNamespace="prod",
        namePrefix="new-",
        nameSuffix="-x",
        patches=[{"patch": "p: 1", "target": {"kind": "Deployment", "name": ""}}, {"patch": "q: 1"}],
        patchesStrategicMerge=[{"kind": "A"}],
        patchesJson6902=[{"patch": [{"op": "add"}], "target": {"kind": "B"}}],
    )
    assert document == {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": ["a.yaml"],
        "namespace": "prod",
        "namePrefix": "new-",
        "nameSuffix": "-x",
        "patches": [
            {"path": "p.yaml"},
            {"patch": "p: 1", "target": {"kind": "Deployment"}},
            {"patch": "q: 1"},
        ],
        "patchesStrategicMerge": ['{"kind": "A"}'],
        "patchesJson6902": [{"patch": '[{"op": "add"}]', "target": {"kind": "B"}}],
    }


def test_a_working_folder_is_filtered_by_its_ignore_rules() -> None:
    files = tree(a_yaml="x", b_yaml="x", c__a_yaml="x")

    def ignored(name: str, is_directory: bool) -> bool:
        return name == "b.yaml" or (name == "c" and is_directory)

    generated = prepare(files, ".", {}, ignored)
    assert json.loads(generated.files["kustomization.yaml"])["resources"] == ["./a.yaml", "./c/a.yaml"]
    files["kustomization.yaml"] = b"resources: [a.yaml, b.yaml, ./c, https://example.com/b.yaml]"
    filtered = prepare(files, ".", {}, ignored)
    document = json.loads(filtered.files["kustomization.yaml"])
    assert document["resources"] == ["a.yaml", "https://example.com/b.yaml"]


def test_field_names_are_read_in_any_case() -> None:
    assert amended("Resources: [a.yaml]\nNAMESPACE: old\n", targetNamespace="new")["namespace"] == "new"


@pytest.mark.parametrize(
    "component",
    ["/abs", "https://x/y", "git@x:y", "github.com/x/y", "GIT::x", "file:///x", "ssh://x", "gh:x"],
)
def test_components_must_be_local(component: str) -> None:
    with pytest.raises(BuildFailed, match="must be local and relative"):
        amended("resources: [a.yaml]", components=[component])


@pytest.mark.parametrize("content", ["- a", "a: [", "patches: {a: b}"])
def test_a_kustomization_file_that_is_none_is_refused(content: str) -> None:
    with pytest.raises(BuildFailed, match=r"kustomization(\.yaml| file)"):
        amended(content, patches=[{"patch": "x"}])


@pytest.mark.parametrize(
    ("path", "directory"),
    [("", "."), ("./", "."), ("/", "."), ("app", "app"), ("/app/", "app"), ("../../app/x/..", "app")],
)
def test_a_path_is_clamped_to_the_root(path: str, directory: str) -> None:
    assert find_directory(tree(app__a_yaml="x"), path) == directory


@pytest.mark.parametrize("path", ["../../../etc", "nothing", "/proc/self", "app/a.yaml", "ap"])
def test_a_path_that_is_no_directory_of_the_tree_is_not_found(path: str) -> None:
    with pytest.raises(PathNotFound, match=f"kustomization path not found: {path}: "):
        find_directory(tree(app__a_yaml="x"), path)


class Recorder:
    """Notes the trees it is asked to build and fails the first."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.asked: list[set[str]] = []

    async def build(self, request: BuildRequest) -> list[Rendered]:
        self.asked.append(set(request.files))
        if len(self.asked) <= self.failures:
            raise BuildFailed("x")
        return []


async def test_a_small_directory_is_built_without_the_rest_of_the_tree() -> None:
    recorder = Recorder(failures=0)
    await kustomize.build(recorder, tree(app__a_yaml=config_map("a"), b_yaml="x"), {"path": "app"})
    assert recorder.asked == [{"app/a.yaml", "app/kustomization.yaml"}]


async def test_a_failed_build_is_tried_with_the_whole_tree() -> None:
    recorder = Recorder(failures=1)
    await kustomize.build(recorder, tree(app__a_yaml=config_map("a"), b_yaml="x"), {"path": "app"})
    assert recorder.asked[1] == {"app/a.yaml", "app/kustomization.yaml", "b.yaml"}


async def test_a_build_of_everything_is_tried_once() -> None:
    recorder = Recorder(failures=2)
    with pytest.raises(BuildFailed):
        await kustomize.build(recorder, tree(a_yaml="x"), {})
    assert len(recorder.asked) == 1


async def test_text_that_json_and_yaml_disagree_on_survives() -> None:
    written = r"emoji 😀 separator \u2028 tab \t quote \" backslash \\ mark \ufeff"
    files = tree(
        a_yaml=config_map("a"),
        kustomization_yaml=f'resources: [a.yaml]\ncommonAnnotations: {{k: "{written}"}}',
    )
    async with renderers() as pool:
        (resource,) = await kustomize.build(pool, files, {})
    text = 'emoji 😀 separator \u2028 tab \t quote " backslash \\ mark \ufeff'
    assert resource.object["metadata"]["annotations"] == {"k": text}


@pytest.mark.parametrize(
    "reference",
    [
        "/etc/hostname", "../../../../etc/hostname", "/proc/self/environ", "/var/run/secrets/kubernetes.io/serviceaccount/token",
        "http://127.0.0.1:9/x.yaml", "https://example.com/x.yaml", "https://github.com/x/y//z?ref=1", "git@github.com:x/y",
        "file:///etc/hostname", "link.yaml",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "field",
    [
        "resources: [{}]", "resources: [cm.yaml]\ncomponents: [{}]", "configMapGenerator: [{{name: g, files: [key={}]}}]",
        "configMapGenerator: [{{name: g, envs: [{}]}}]", "secretGenerator: [{{name: g, files: [{}]}}]",
        "resources: [cm.yaml]\npatches: [{{path: {}}}]", "resources: [cm.yaml]\ncrds: [{}]",
        "resources: [cm.yaml]\nopenapi: {{path: {}}}", "resources: [cm.yaml]\nconfigurations: [{}]",
        "resources: [cm.yaml]\ntransformers: [{}]", "resources: [cm.yaml]\nreplacements: [{{path: {}}}]",
    ],
)  # fmt: skip
async def test_nothing_outside_the_tree_is_read(field: str, reference: str) -> None:
    files = tree(cm_yaml=config_map("a"), kustomization_yaml=field.format(reference))
    async with renderers() as pool:
        with pytest.raises(BuildFailed) as caught:
            await kustomize.build(pool, files, {})
    message = str(caught.value)
    assert message.startswith("kustomize build failed: ")
    assert "root:" not in message


@pytest.mark.parametrize(
    ("kustomization", "plugin"),
    [
        ("helmCharts: [{name: a, repo: 'https://example.com', version: '1'}]", ""),
        ("generators: [g.yaml]", "exec: {path: /bin/ls}"),
        ("resources: [cm.yaml]\ntransformers: [g.yaml]", "container: {image: alpine}"),
        ("resources: [cm.yaml]\ntransformers: [g.yaml]", "starlark: {path: x, name: y}"),
    ],
)
async def test_no_program_is_run(kustomization: str, plugin: str) -> None:
    function = f"  annotations:\n    config.kubernetes.io/function: '{plugin}'\n"
    files = tree(cm_yaml=config_map("a"), g_yaml=config_map("g") + function, kustomization_yaml=kustomization)
    async with renderers() as pool:
        with pytest.raises(BuildFailed, match=r"enable-helm|external plugins disabled"):
            await kustomize.build(pool, files, {})


async def test_environment_files_see_no_environment() -> None:
    files = tree(
        kustomization_yaml="configMapGenerator: [{name: g, envs: [e.env]}]", e_env="PATH\nHOME\nA=1\n"
    )
    async with renderers() as pool:
        (resource,) = await kustomize.build(pool, files, {})
    assert resource.object["data"] == {"PATH": "", "HOME": "", "A": "1"}


async def test_a_manifest_that_does_not_decode_is_named() -> None:
    async with renderers() as pool:
        with pytest.raises(BuildFailed, match=r"^failed to decode Kubernetes YAML from app/x\.yaml: "):
            await kustomize.build(
                pool, tree(app__a_yaml=config_map("a"), app__x_yaml="a: b\n"), {"path": "app"}
            )


async def test_binary_files_arrive_as_they_are() -> None:
    files = {"kustomization.yaml": b"configMapGenerator: [{name: g, files: [x.bin]}]", "x.bin": b"\xff\x00"}
    async with renderers() as pool:
        (resource,) = await kustomize.build(pool, files, {})
    assert resource.object["binaryData"] == {"x.bin": "/wA="}


async def test_manifests_without_a_kustomization_file_are_found_below_the_path() -> None:
    files = tree(apps__a_yaml=config_map("a"), apps__notes_txt="no manifest", other__b_yaml="kind: [broken")
    spec = {"path": "./apps", "targetNamespace": "web", "namePrefix": "eu-"}
    async with renderers() as pool:
        (resource,) = await kustomize.build(pool, files, spec)
    assert resource.object["metadata"] == {"name": "eu-a", "namespace": "web"}


async def test_dollars_arrive_as_they_were_written() -> None:
    files = tree(a_yaml=config_map("a", "home: '${HOME}'\n  price: '$$5'"))
    async with renderers() as pool:
        (resource,) = await kustomize.build(pool, files, {})
    assert resource.object["data"] == {"home": "${HOME}", "price": "$$5"}


async def test_an_empty_tree_gives_no_objects() -> None:
    async with renderers() as pool:
        assert await kustomize.build(pool, {}, {}) == []


async def test_a_file_that_is_no_yaml_is_named() -> None:
    async with renderers() as pool:
        with pytest.raises(BuildFailed, match=r"broken\.yaml"):
            await kustomize.build(pool, tree(broken_yaml="apiVersion: v1\nkind: [ConfigMap\n"), {})


ODD = b"gr\xfc\xdfe".decode("utf-8", "surrogateescape")


async def test_a_file_whose_name_is_no_text_hinders_no_build() -> None:
    files = tree(app__a_yaml=config_map("a")) | {f"app/{ODD}.txt": b"x", f"{ODD}.yaml": b"x"}
    async with renderers() as pool:
        (resource,) = await kustomize.build(pool, files, {"path": "app"})
        assert resource.object["metadata"]["name"] == "a"
        everything = {"kustomization.yaml": b"resources: [app/a.yaml]", **files}
        assert len(await kustomize.build(pool, everything, {})) == 1


def test_a_manifest_whose_name_is_no_text_is_not_silently_left_out() -> None:
    files = tree(app__a_yaml=config_map("a")) | {f"app/{ODD}.yaml": b"x"}
    with pytest.raises(BuildFailed, match=r"udcfc.* is no UTF-8 text; rename the file") as failed:
        prepare(files, "app", {})
    assert str(failed.value).isascii()
