"""Bundles: what uses no value of a cluster is shared, and nothing is substituted twice for the same values."""

import pytest
import yaml

from agent.model.content import Index
from hub.build.errors import BuildFailed
from hub.build.objects import Marks
from hub.build.render import Rendered
from hub.delivery.bundle import Assembly, Built
from hub.delivery.variables import Layers, SecretValues, variables_of
from hub.model.cluster import Cluster
from tests.hub.delivery.samples import EU, US, cluster, delivery, prod

MARKS = Marks(name="webapp", namespace="apps")
PLAIN = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: plain\n  namespace: apps\n"
NAMED = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: named\n  namespace: apps\ndata:\n  in: ${CLUSTER_NAME}\n"
OWN = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: own\n  namespace: apps\ndata:\n  size: ${SIZE}\n"


def assembly(*texts: str) -> Assembly:
    return Assembly([Rendered(text=text, object=yaml.safe_load(text)) for text in texts], MARKS)


def build(given: Assembly, where: Cluster, **substitute: str) -> Built:
    spec = {"postBuild": {"substitute": substitute}} if substitute else {}
    own = (substitute,) if substitute else ()
    return given.build(variables_of(delivery(spec=spec), where, prod(), Layers(delivery=own)))


def names(index: Index) -> list[str]:
    return [entry.ref.name for entry in index]


def test_clusters_without_a_referenced_variable_share_one_bundle() -> None:
    given = assembly(PLAIN, OWN)
    bundles = {build(given, where, SIZE="3").bundle.digest for where in (EU, US, cluster("ap-1"))}
    assert len(bundles) == 1
    assert given.substitutions == 2


def test_what_used_a_value_of_the_cluster_is_in_the_overlay() -> None:
    built = build(assembly(PLAIN, NAMED, OWN), EU, SIZE="3")
    assert (names(built.bundle.base), names(built.bundle.overlay)) == (["own", "plain"], ["named"])


def test_bases_are_equal_where_overlays_differ() -> None:
    given = assembly(PLAIN, NAMED)
    eu, us = build(given, EU, SIZE="3").bundle, build(given, US, SIZE="3").bundle
    assert eu.base.digest == us.base.digest
    assert eu.overlay.digest != us.overlay.digest


def test_a_variable_that_the_cluster_overrides_makes_its_user_part_of_the_overlay() -> None:
    larger = cluster("big", spec={"variables": {"SIZE": "9"}})
    built = build(assembly(OWN), larger, SIZE="3")
    assert names(built.bundle.overlay) == ["own"]
    body = built.blobs[built.bundle.overlay.entries[0].digest]
    assert b'"size":9' in body


def test_without_substitution_the_text_arrives_as_it_is() -> None:
    given = assembly(PLAIN + "data:\n  home: ${HOME}\n  money: $$\n")
    built = build(given, EU)
    body = built.blobs[built.bundle.base.entries[0].digest]
    assert b'"home":"${HOME}"' in body
    assert b'"money":"$$"' in body


def test_every_digest_that_the_bundle_names_has_its_bytes() -> None:
    built = build(assembly(PLAIN, NAMED), EU, SIZE="3")
    named = {entry.digest for entry in built.bundle.entries} | {
        built.bundle.ref.base,
        built.bundle.ref.overlay,
    }
    assert set(built.blobs) == named


def test_an_undefined_variable_fails_the_build() -> None:
    with pytest.raises(BuildFailed, match='variable not set \\(strict mode\\): "SIZE"'):
        build(assembly(OWN), EU, OTHER="1")


def test_a_name_that_no_expression_could_name_fails_the_build() -> None:
    with pytest.raises(BuildFailed, match=r"post build failed for 'ConfigMap.v1.*'a\.b' var name is invalid"):
        build(assembly(PLAIN), EU, **{"a.b": "1"})


def test_one_object_twice_fails_the_build() -> None:
    with pytest.raises(BuildFailed, match="twice"):
        build(assembly(PLAIN, PLAIN), EU)


def test_what_is_no_object_fails_the_build() -> None:
    with pytest.raises(BuildFailed, match="failed to decode Kubernetes"):
        assembly("kind: ConfigMap\nmetadata:\n  name: x\n")


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: v1\nkind: Widget_\nmetadata: {name: a}\n",
        "apiVersion: v1\nkind: Wid_get\nmetadata: {name: a}\n",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: a_b}\n",
        "apiVersion: a_b/v1\nkind: Widget\nmetadata: {name: a}\n",
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: a__b}\n",
    ],
)
def test_an_object_that_an_index_cannot_name_fails_the_build_and_not_the_session_of_its_clusters(
    text: str,
) -> None:
    with pytest.raises(BuildFailed, match="cannot be listed"):
        build(assembly(PLAIN, text), EU)


def test_the_texts_of_a_build_have_one_budget() -> None:
    many = [OWN.replace("name: own", f"name: own-{number}") for number in range(40)]
    assert len(build(assembly(*many), EU, SIZE="x" * 10_000).bundle.entries) == 40
    with pytest.raises(BuildFailed, match="as much work"):
        build(assembly(*many), EU, SIZE="x" * 1_000_000)


def test_objects_that_hold_a_value_of_a_secret_are_named() -> None:
    given = assembly(PLAIN, NAMED, OWN)
    layers = Layers(
        delivery=({"SIZE": "1"}, SecretValues(SIZE="2")), cluster_from=(SecretValues(CLUSTER_NAME="x"),)
    )
    assert given.build(variables_of(delivery(), EU, prod(), layers)).confidential == (
        "apps_named__ConfigMap",
        "apps_own__ConfigMap",
    )
    # The last one that says it counts, and one that is not used does not.
    layers = Layers(delivery=(SecretValues(SIZE="2", OTHER="3"), {"SIZE": "1"}))
    assert given.build(variables_of(delivery(), EU, prod(), layers)).confidential == ()


def test_what_was_made_for_the_same_values_is_ready() -> None:
    given = assembly(PLAIN, NAMED, OWN)
    layers = [
        Layers(delivery=({"SIZE": "1"},)),
        Layers(delivery=({"SIZE": "2"},)),
        Layers(delivery=(SecretValues(SIZE="1"),)),
        Layers(delivery=({"SIZE": "1"},), cluster_from=({"SIZE": "1"},)),
    ]
    for where in (EU, US):
        for one in layers:
            variables = variables_of(delivery(), where, prod(), one)
            assert given.ready(variables) is None
            assert given.build(variables) == given.ready(variables)
            # What nothing names makes no difference.
            more = Layers(delivery=({"OTHER": "x"}, *one.delivery), cluster_from=one.cluster_from)
            assert given.ready(variables_of(delivery(), where, prod(), more)) == given.ready(variables)


def test_a_name_that_fails_the_build_is_never_ready() -> None:
    given = assembly(PLAIN)
    build(given, EU, SIZE="1")
    layers = Layers(delivery=({"SIZE": "1", "no-name": "x"},))
    with pytest.raises(BuildFailed, match="no-name"):
        given.ready(variables_of(delivery(), EU, prod(), layers))


def test_nothing_that_holds_values_shows_them() -> None:
    layers = Layers(delivery=(SecretValues(SIZE="hunter2"),))
    variables = variables_of(delivery(), EU, prod(), layers)
    built = assembly(OWN).build(variables)
    assert "hunter2" in str(built.blobs)
    assert "hunter2" not in f"{layers} {variables} {built}"
