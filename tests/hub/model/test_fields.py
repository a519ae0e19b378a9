"""Every field that a served schema accepts is honoured or refused, and the table names nothing else."""

from collections.abc import Iterator
from typing import Any

import pytest

from hub import crds
from hub.model.fields import HONOURED, REFUSED, unsupported
from hub.model.kinds import Kind
from tests.hub.model import samples


def leaves(schema: dict[str, Any], path: str) -> Iterator[str]:
    """The fields of a schema that hold values: scalars, and what may hold anything."""
    children = [(f"{path}.{name}", child) for name, child in schema.get("properties", {}).items()]
    if "items" in schema:
        children.append((f"{path}[]", schema["items"]))
    if isinstance(schema.get("additionalProperties"), dict):
        children.append((f"{path}{{}}", schema["additionalProperties"]))
    if not children:
        yield path
    for at, child in children:
        yield from leaves(child, at)


def nodes(schema: dict[str, Any], path: str) -> Iterator[str]:
    """The same with everything on the way."""
    yield path
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from nodes(schema["additionalProperties"], f"{path}{{}}")


def specs() -> list[Any]:
    return [
        pytest.param(
            Kind(crd["spec"]["names"]["kind"]),
            version["schema"]["openAPIV3Schema"]["properties"]["spec"],
            id=f"{crd['spec']['names']['kind']} {version['name']}",
        )
        for crd in crds.packaged()
        for version in crd["spec"]["versions"]
    ]


def is_refused(kind: Kind, path: str) -> bool:
    return any(
        path == entry.path or path.startswith((f"{entry.path}.", f"{entry.path}[", f"{entry.path}{{"))
        for entry in REFUSED[kind]
    )


def test_every_kind_has_a_schema_and_both_columns() -> None:
    kinds = {Kind(crd["spec"]["names"]["kind"]) for crd in crds.packaged()}
    assert kinds == set(Kind) == set(HONOURED) == set(REFUSED)


@pytest.mark.parametrize(("kind", "spec"), specs())
def test_every_field_is_in_one_column(kind: Kind, spec: dict[str, Any]) -> None:
    found = set(leaves(spec, "spec"))
    assert {path for path in found if path not in HONOURED[kind] and not is_refused(kind, path)} == set()
    assert {path for path in HONOURED[kind] if is_refused(kind, path)} == set()


@pytest.mark.parametrize(("kind", "spec"), specs())
def test_both_columns_name_only_what_a_schema_has(kind: Kind, spec: dict[str, Any]) -> None:
    assert HONOURED[kind] - set(leaves(spec, "spec")) == set()
    assert {entry.path for entry in REFUSED[kind]} - set(nodes(spec, "spec")) == set()


@pytest.mark.parametrize(
    ("kind", "spec", "path", "value"),
    [
        (
            Kind.GIT_REPOSITORY,
            samples.git(include=[{"fromPath": "deploy", "toPath": "."}]),
            "spec.include",
            "deploy",
        ),
        (Kind.GIT_REPOSITORY, samples.git(include=[{"repository": {"name": "x"}}]), "spec.include", "x"),
        (
            Kind.GIT_REPOSITORY,
            samples.git(verify={"provider": "cosign", "secretRef": {"name": "keys"}}),
            "spec.verify",
            "cosign",
        ),
        (Kind.GIT_REPOSITORY, samples.git(recurseSubmodules=True), "spec.recurseSubmodules", "true"),
        (Kind.GIT_REPOSITORY, samples.git(sparseCheckout=["a"]), "spec.sparseCheckout", '["a"]'),
        (Kind.GIT_REPOSITORY, samples.git(proxySecretRef={"name": "p"}), "spec.proxySecretRef", "p"),
        (Kind.GIT_REPOSITORY, samples.git(provider="azure"), "spec.provider", "azure"),
        (
            Kind.GIT_REPOSITORY,
            samples.git(accessFrom={"namespaceSelectors": [{"matchLabels": {"a": "b"}}]}),
            "spec.accessFrom",
            "matchLabels",
        ),
        (
            Kind.KUSTOMIZATION,
            samples.kustomization(decryption={"provider": "sops", "serviceAccountName": "kms"}),
            "spec.decryption.serviceAccountName",
            "kms",
        ),
        (
            Kind.KUSTOMIZATION,
            samples.kustomization(kubeConfig={"secretRef": {"name": "kc"}}),
            "spec.kubeConfig",
            "kc",
        ),
        (
            Kind.KUSTOMIZATION,
            samples.kustomization(targetNamespace="team-a", serviceAccountName="team-a"),
            "spec.serviceAccountName",
            "team-a",
        ),
        (
            Kind.KUSTOMIZATION,
            samples.kustomization(healthCheckExprs=[{"apiVersion": "a/v1", "current": "true"}]),
            "spec.healthCheckExprs",
            "a/v1",
        ),
        (Kind.KUSTOMIZATION, samples.kustomization(ignore=[{"paths": ["/a"]}]), "spec.ignore", "/a"),
        (
            Kind.KUSTOMIZATION,
            samples.kustomization(dependsOn=[{"name": "a"}, {"name": "b", "readyExpr": "true"}]),
            "spec.dependsOn[1].readyExpr",
            "true",
        ),
        (
            Kind.KUSTOMIZATION,
            samples.kustomization(sourceRef={"kind": "Bucket", "name": "x"}),
            "spec.sourceRef.kind",
            "Bucket",
        ),
        (
            Kind.KUSTOMIZATION,
            samples.kustomization(deletionPolicy="WaitForTermination"),
            "spec.deletionPolicy",
            "WaitForTermination",
        ),
        (
            Kind.OCI_REPOSITORY,
            samples.oci(verify={"provider": "cosign", "secretRef": {"name": "keys"}}),
            "spec.verify",
            "keys",
        ),
        (Kind.OCI_REPOSITORY, samples.oci(provider="aws"), "spec.provider", "aws"),
        (Kind.CLUSTER, {"kubeConfig": {"secretRef": {"name": "kc"}}}, "spec.kubeConfig", "kc"),
        (Kind.CLUSTER, {"sync": {"sourceRef": {"kind": "GitRepository", "name": "x"}}}, "spec.sync", "x"),
        (Kind.FLEET, samples.fleet(rollout={"maxFailures": 0}), "spec.rollout", "maxFailures"),
        (
            Kind.FLEET,
            samples.fleet(overrides=[{"deliveries": [{"kind": "HelmRelease", "name": "x"}]}]),
            "spec.overrides[0].deliveries[0].kind",
            "HelmRelease",
        ),
        (
            Kind.ROLLOUT,
            {"fleet": "prod", "source": {"kind": "GitRepository", "name": "x"}, "candidates": []},
            "spec.fleet",
            "prod",
        ),
    ],
)
def test_a_refused_field_is_named_with_its_value(
    kind: Kind, spec: dict[str, Any], path: str, value: str
) -> None:
    refusal = unsupported(kind, spec)
    assert refusal is not None
    assert (refusal.reason, refusal.path) == ("UnsupportedField", path)
    assert value in refusal.value
    assert refusal.message.startswith(f"{path} = {refusal.value} is not supported")
    assert refusal.message.endswith(refusal.works)


@pytest.mark.parametrize("field", [{"values": {"password": "hunter2"}}, {"patches": [{"patch": "hunter2"}]}])
def test_what_may_hold_a_secret_is_named_without_its_value(field: dict[str, Any]) -> None:
    refusal = unsupported(Kind.FLEET, samples.fleet(overrides=[{"substitute": {"A": "1"}}, field]))
    assert refusal is not None
    assert refusal.path == f"spec.overrides[1].{next(iter(field))}"
    assert "hunter2" not in refusal.message


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        (Kind.GIT_REPOSITORY, samples.git(recurseSubmodules=False, include=[], provider="generic")),
        (Kind.GIT_REPOSITORY, samples.git(provider="", serviceAccountName="", verify=None)),
        (Kind.GIT_REPOSITORY, samples.git(gitImplementation="libgit2", ref={"branch": "main"})),
        (Kind.OCI_REPOSITORY, samples.oci(provider="generic", insecure=True, ref={"semver": "1.x"})),
        (Kind.OCI_REPOSITORY, samples.oci(layerSelector={"operation": "copy"}, serviceAccountName="a")),
        (
            Kind.KUSTOMIZATION,
            samples.kustomization(sourceRef={"kind": "OCIRepository", "name": "webapp"}),
        ),
        (
            Kind.KUSTOMIZATION,
            samples.kustomization(healthCheckExprs=[], serviceAccountName="", validation="client"),
        ),
        (Kind.KUSTOMIZATION, samples.kustomization(dependsOn=[{"name": "a", "readyExpr": ""}])),
        (Kind.KUSTOMIZATION, samples.kustomization(deletionPolicy="Orphan")),
        (Kind.KUSTOMIZATION, samples.kustomization(patchesStrategicMerge=[{"kind": "ConfigMap"}])),
        (Kind.CLUSTER, {"variables": {"A": "1"}, "kubeConfig": None}),
        (
            Kind.FLEET,
            samples.fleet(rollout={}, overrides=[{"values": {}, "patches": [], "substitute": {"A": "1"}}]),
        ),
    ],
)
def test_what_is_honoured_or_empty_is_no_use_of_a_refused_field(kind: Kind, spec: dict[str, Any]) -> None:
    assert unsupported(kind, spec) is None


def test_a_long_value_is_cut() -> None:
    refusal = unsupported(Kind.GIT_REPOSITORY, samples.git(sparseCheckout=["x" * 1000]))
    assert refusal is not None
    assert len(refusal.value) < 130
