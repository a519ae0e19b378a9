"""Lists: pages, versions, selections and forms; what the generation counts; what a read says of what is not there."""

from e2e.contract.table.case import (
    Case,
    Step,
    apply,
    case,
    create,
    delete,
    get,
    json_patch,
    patch,
    strategic,
    update,
)

_FIVE = tuple(
    create(f"configmaps/{name}", {"metadata": {"labels": {"l": str(number % 2)}}})
    for number, name in enumerate("abcde")
)
_PARTIAL = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_ONE = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
_POD = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
_DEPLOYMENT = {"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": _POD}}


def _next(number: int, **query: str) -> Step:
    return get("configmaps", **{"continue": f"<{number}.metadata.continue>", **query})


_PAGES = (
    case("a list in pages", *_FIVE, get("configmaps", limit="2"), _next(5, limit="2"), _next(6, limit="2")),
    case(
        "a page of all",
        *_FIVE,
        get("configmaps", limit="5"),
        get("configmaps", limit="0"),
        get("configmaps", limit="100"),
    ),
    case("the rest without a limit", *_FIVE, get("configmaps", limit="2"), _next(5)),
    case(
        "pages of a selection",
        *_FIVE,
        get("configmaps", limit="1", labelSelector="l=0"),
        _next(5, limit="1", labelSelector="l=0"),
        _next(6, limit="1", labelSelector="l=0"),
    ),
    case(
        "pages show what was there at the first",
        *_FIVE,
        get("configmaps", limit="2"),
        delete("configmaps/d"),
        create("configmaps/bb"),
        patch("configmaps/e", {"data": {"x": "1"}}),
        _next(5),
    ),
    case(
        "pages of metadata",
        *_FIVE,
        get("configmaps", _PARTIAL, limit="4"),
        get("configmaps", _PARTIAL, limit="4", **{"continue": "<5.metadata.continue>"}),
    ),
    case("a limit that is none", get("configmaps", limit="x")),
)
_VERSIONS = (
    case(
        "exactly a version",
        *_FIVE,
        delete("configmaps/a"),
        get("configmaps", resourceVersion="<2.metadata.resourceVersion>", resourceVersionMatch="Exact"),
    ),
    case(
        "not older than a version",
        *_FIVE,
        get(
            "configmaps", resourceVersion="<2.metadata.resourceVersion>", resourceVersionMatch="NotOlderThan"
        ),
        get("configmaps", resourceVersion="<4.metadata.resourceVersion>"),
    ),
    case(
        "any version",
        create("configmaps/a"),
        get("configmaps", resourceVersionMatch="Exact"),
        get("configmaps", resourceVersion="0", resourceVersionMatch="Exact"),
        get("configmaps", resourceVersion="1", resourceVersionMatch="Nonsense"),
        get("configmaps", resourceVersion="x"),
    ),
    case(
        "a version with a token",
        *_FIVE,
        get("configmaps", limit="1"),
        _next(5, resourceVersion="<1.metadata.resourceVersion>"),
        _next(5, resourceVersion="<1.metadata.resourceVersion>", resourceVersionMatch="Exact"),
    ),
)
_FORMS = (
    case(
        "one object in several forms",
        create("configmaps/a", {"data": {"x": "1"}}),
        get("configmaps/a", _ONE),
        get("configmaps/a", _TABLE),
        get("configmaps/a", "application/yaml-nonsense"),
        get("configmaps", _PARTIAL),
        get("configmaps", _TABLE),
    ),
    case(
        "an empty list",
        get("configmaps"),
        get("widgets"),
        get("configmaps", _TABLE),
        get("widgets", _TABLE),
        get("configmaps", _PARTIAL),
    ),
    case(
        "selections",
        *_FIVE,
        get("configmaps", labelSelector="l in (0),l"),
        get("configmaps", labelSelector="l notin (0)"),
        get("configmaps", fieldSelector="metadata.name=b"),
        get("configmaps", fieldSelector="metadata.namespace!=NS"),
        get("configmaps", labelSelector="l>0"),
    ),
    case(
        "what is not there",
        get("configmaps/zz"),
        get("widgets/zz"),
        get("deployments/zz/scale"),
        get("widgets/zz/status"),
        Step(method="GET", on="/apis/nowhere.test/v1/things"),
        Step(method="GET", on="/api/v1/namespaces/NS/nothings"),
    ),
    case(
        "verbs that are not served",
        Step(method="PUT", on="/api/v1/namespaces/NS/configmaps", body={}),
        Step(method="POST", on="/api/v1/namespaces/NS/configmaps/a", body={}),
        Step(method="DELETE", on="/apis/apps/v1/namespaces/NS/deployments/a/status"),
    ),
    case(
        "bodies that cannot be read",
        Step(
            method="POST",
            on="/api/v1/namespaces/NS/configmaps",
            body={"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}},
        ),
        Step(
            method="POST",
            on="/api/v1/namespaces/NS/configmaps",
            body={"apiVersion": "v2", "kind": "ConfigMap", "metadata": {"name": "a"}},
        ),
        Step(method="POST", on="/api/v1/namespaces/NS/configmaps", body={}, media_type="text/plain"),
    ),
    case(
        "names are generated",
        create("configmaps", {"metadata": {"generateName": "made-"}}),
        create("configmaps", {}),
        get("configmaps"),
    ),
    case(
        "names that may not be",
        create("configmaps/A_B"),
        create("configmaps/a", {"metadata": {"labels": {"a b": "c d"}}}),
        create("configmaps/a", {"metadata": {"annotations": {"": "x"}}}),
        create("configmaps/a", {"metadata": {"finalizers": ["bare"]}}),
    ),
    case(
        "a namespace that is not there",
        Step(
            method="POST",
            on="/api/v1/namespaces/no-such-place/configmaps",
            body={"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}},
        ),
        Step(method="GET", on="/api/v1/namespaces/no-such-place/configmaps"),
    ),
)
_GENERATIONS = (
    case(
        "the generation of a deployment",
        create("deployments/a", _DEPLOYMENT),
        patch("deployments/a", {"spec": {"replicas": 2}}),
        patch("deployments/a", {"metadata": {"labels": {"l": "1"}}}),
        patch("deployments/a", {"metadata": {"annotations": {"n": "1"}}}),
        patch("deployments/a/status", {"status": {"replicas": 2, "observedGeneration": 1}}),
        patch("deployments/a", {"metadata": {"generation": 99}}),
        patch("deployments/a/scale", {"spec": {"replicas": 3}}),
    ),
    case(
        "the generation of a custom kind",
        create("widgets/a", {"metadata": {"generation": 7}, "spec": {"size": 1}}),
        patch("widgets/a", {"spec": {"size": 2}}),
        patch("widgets/a", {"spec": {"size": 2}}),
        patch("widgets/a", {"metadata": {"labels": {"l": "1"}}}),
        patch("widgets/a/status", {"status": {"phase": "x"}}),
        patch("widgets/a/scale", {"spec": {"replicas": 2}}),
    ),
    case(
        "a generation is counted when a deletion begins",
        create("widgets/a", {"metadata": {"finalizers": ["t.test/a"]}}),
        delete("widgets/a"),
        create("deployments/a", {**_DEPLOYMENT, "metadata": {"finalizers": ["t.test/a"]}}),
        delete("deployments/a"),
    ),
    case(
        "a daemon set counts its templates",
        create("daemonsets/a", _DEPLOYMENT),
        patch("daemonsets/a", {"spec": {"minReadySeconds": 1}}),
        strategic("daemonsets/a", {"spec": {"template": {"metadata": {"labels": {"c": "d"}}}}}),
        update("daemonsets/a", _DEPLOYMENT),
        apply("daemonsets/b", _DEPLOYMENT),
        apply("daemonsets/b", {"spec": {**_DEPLOYMENT["spec"], "minReadySeconds": 2}}),
    ),
    case(
        "kinds without a generation",
        create("configmaps/a", {"metadata": {"generation": 5}}),
        patch("configmaps/a", {"data": {"x": "1"}}),
        create("secrets/a", {"stringData": {"x": "1"}}),
        patch("secrets/a", {"data": {"x": None}}),
    ),
    case(
        "what is immutable stays",
        create("configmaps/a", {"immutable": True, "data": {"x": "1"}}),
        patch("configmaps/a", {"data": {"x": "2"}}),
        patch("configmaps/a", {"immutable": None}),
        patch("configmaps/a", {"metadata": {"labels": {"l": "1"}}}),
        create("deployments/a", _DEPLOYMENT),
        patch("deployments/a", {"spec": {"selector": {"matchLabels": {"c": "d"}}}}),
        json_patch(
            "deployments/a",
            {"op": "replace", "path": "/metadata/creationTimestamp", "value": "2020-01-01T00:00:00Z"},
        ),
    ),
)
_CUSTOM = (
    case(
        "defaults are filled in",
        create("widgets/a", {"spec": {}}),
        create("widgets/b", {}),
        create("widgets/c", {"spec": {"mode": None, "items": [{"name": "x"}]}}),
        update(
            "widgets/a",
            {"metadata": {"resourceVersion": "<0.metadata.resourceVersion>"}, "spec": {"replicas": None}},
        ),
    ),
    case(
        "unknown fields are pruned",
        create("widgets/a", {"spec": {"bogus": 1, "nested": {"bogus": 1}, "free": {"kept": 1}}, "bogus": 1}),
        patch("widgets/a", {"spec": {"bogus": 2}}),
        create("widgets/b", {"spec": {"bogus": 1}}, fieldValidation="Strict"),
        create("widgets/b", {"spec": {"bogus": 1}}, fieldValidation="Ignore"),
    ),
    case(
        "values are checked",
        create("widgets/a", {"spec": {"size": -1}}),
        create("widgets/a", {"spec": {"name": "x" * 21}}),
        create("widgets/a", {"spec": {"mode": "Sideways"}}),
        create("widgets/a", {"spec": {"size": "x"}}),
        create("widgets/a", {"spec": {"items": [{"size": 1}]}}),
        create("widgets/a", {"spec": {"flag": 1}}),
    ),
    case(
        "rules are checked",
        create("widgets/a", {"spec": {"size": 100}}),
        create("widgets/a", {"spec": {"size": 99, "fixed": "x"}}),
        patch("widgets/a", {"spec": {"fixed": "y"}}),
        patch("widgets/a", {"spec": {"fixed": None}}),
        patch("widgets/a", {"spec": {"size": 200, "fixed": "z"}}),
        apply("widgets/a", {"spec": {"size": 300}}, force=True),
    ),
    case(
        "a status has its own door",
        create("widgets/a", {"spec": {"size": 1}, "status": {"phase": "x"}}),
        patch("widgets/a", {"status": {"phase": "y"}}),
        patch("widgets/a/status", {"spec": {"size": 2}, "status": {"phase": "z", "bogus": 1}}),
        patch("widgets/a/status", {"status": {"replicas": "x"}}),
        get("widgets/a/status"),
    ),
)

CASES: tuple[Case, ...] = (*_PAGES, *_VERSIONS, *_FORMS, *_GENERATIONS, *_CUSTOM)
