"""Random cases, each from a seed: about ten requests to one object, by several managers, in every way to write. Pure."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from e2e.contract.table.case import (
    Case,
    Step,
    apply,
    create,
    delete,
    get,
    json_patch,
    patch,
    strategic,
    update,
    watch,
)

SEEDS = range(500)
_LENGTH = (6, 10)
_MANAGERS = ("one", "two", "three")
_WATCHED = 10
"""Of how many seeds one ends with a watch of what it did: a watch takes its second."""
_LAST = "<-1.metadata.resourceVersion>"

Part = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What is known of a kind to make requests: bodies, parts of it for patches, and where in it a JSON patch may point."""

    plural: str
    body: Callable[[random.Random], Part]
    pointers: tuple[tuple[str, Any], ...]
    has_status: bool = False
    has_scale: bool = False
    is_custom: bool = False


def sequence(seed: int) -> Case:
    """Return the case of a seed, always the same."""
    chance = random.Random(seed)
    kind = chance.choice(_KINDS)
    on = f"{kind.plural}/a"
    first = chance.choice((create, apply))(on, kind.body(chance), by=chance.choice(_MANAGERS))
    steps = [first, *(_step(chance, kind, on) for _ in range(chance.randint(*_LENGTH)))]
    if seed % _WATCHED == 0:
        steps.append(watch(kind.plural, "<0.metadata.resourceVersion>"))
    return Case(f"seed {seed}", tuple(steps))


def shorter(case: Case) -> Iterator[Case]:
    """Yield the cases that leave one request out, to find the shortest that still shows something."""
    for number in range(len(case.steps) - 1, -1, -1):
        steps = (*case.steps[:number], *case.steps[number + 1 :])
        yield Case(f"{case.name} without {number}", steps)


def told(case: Case) -> str:
    """Return a case as it can be put into the table."""
    return "\n".join((f"case({case.name!r},", *(f"    {step!r}," for step in case.steps), ")"))


def _step(chance: random.Random, kind: Kind, on: str) -> Step:
    by, is_dry = chance.choice(_MANAGERS), chance.random() < 0.1
    makers: list[tuple[int, Callable[[], Step]]] = [
        (8, lambda: apply(on, kind.body(chance), by=by, dry=is_dry, force=chance.random() < 0.4)),
        (3, lambda: update(on, _versioned(chance, kind), by=by, dry=is_dry)),
        (4, lambda: patch(on, _with_nulls(chance, kind.body(chance)), by=by, dry=is_dry)),
        (2, lambda: strategic(on, kind.body(chance), by=by, dry=is_dry)),
        (3, lambda: json_patch(on, *_operations(chance, kind), by=by, dry=is_dry)),
        (1, lambda: create(on, kind.body(chance), by=by, dry=is_dry)),
        (1, lambda: _deletion(chance, on)),
        (1, lambda: get(kind.plural, labelSelector=chance.choice(("l=1", "l!=1", "l in (1,2)", "l")))),
    ]
    if kind.has_status:
        makers += [(2, lambda: _to_status(chance, on, by))]
    if kind.has_scale:
        makers += [(1, lambda: patch(f"{on}/scale", {"spec": {"replicas": chance.randint(0, 3)}}, by=by))]
    weights = [weight for weight, _ in makers]
    return chance.choices([make for _, make in makers], weights)[0]()


def _versioned(chance: random.Random, kind: Kind) -> Part:
    body = kind.body(chance)
    if kind.is_custom or chance.random() < 0.5:
        body["metadata"] = {**body.get("metadata", {}), "resourceVersion": _LAST}
    return body


def _to_status(chance: random.Random, on: str, by: str) -> Step:
    body: Part = {"status": {"replicas": chance.randint(0, 3)}, **_maybe(chance, spec={"replicas": 2})}
    if chance.random() < 0.5:
        return apply(f"{on}/status", body, by=by, force=chance.random() < 0.5)
    return patch(f"{on}/status", body, by=by)


def _deletion(chance: random.Random, on: str) -> Step:
    options = chance.choice(
        (None, {"propagationPolicy": "Background"}, {"preconditions": {"resourceVersion": _LAST}})
    )
    return delete(on, options)


def _operations(chance: random.Random, kind: Kind) -> list[Part]:
    found = []
    for pointer, value in chance.sample(kind.pointers, chance.randint(1, 2)):
        operation = chance.choice(("add", "add", "replace", "remove", "test"))
        valued = {} if operation == "remove" else {"value": value}
        found.append({"op": operation, "path": pointer, **valued})
    return found


def _with_nulls(chance: random.Random, body: Part) -> Part:
    """Return a merge patch: some of what a body says is taken away instead."""

    def changed(name: str, part: Any) -> Any:
        if name in ("metadata", "spec"):
            return _with_nulls(chance, part)
        return None if chance.random() < 0.1 else part

    return {name: changed(name, part) for name, part in body.items()}


def _maybe(chance: random.Random, likely: float = 0.5, **parts: Any) -> Part:
    return {name: part for name, part in parts.items() if chance.random() < likely}


def _metadata(chance: random.Random) -> Part:
    labels = _maybe(chance, l=chance.choice("12"), m=chance.choice("12"))
    marks = _maybe(chance, 0.3, **{"n.test/a": chance.choice("12")})
    found = _maybe(chance, 0.4, labels=labels, annotations=marks)
    found |= _maybe(chance, 0.1, finalizers=chance.sample(["t.test/a", "t.test/b"], chance.randint(0, 2)))
    return {"metadata": found} if found else {}


def _config_map(chance: random.Random) -> Part:
    data = _maybe(chance, x=chance.choice("12"), y=chance.choice("12"), z=chance.choice("12"))
    more = _maybe(chance, 0.1, binaryData={"b": "MQ=="}, immutable=chance.random() < 0.3)
    return {**_metadata(chance), **({"data": data} if chance.random() < 0.9 else {}), **more}


def _secret(chance: random.Random) -> Part:
    data = _maybe(chance, x=chance.choice(("MQ==", "Mg==")), y="MQ==")
    more = _maybe(chance, 0.2, stringData={"x": "3"}, type=chance.choice(("Opaque", "t.test/other")))
    return {**_metadata(chance), "data": data, **more}


def _widget(chance: random.Random) -> Part:
    items = [
        {"name": name, **_maybe(chance, 0.4, proto=chance.choice(("TCP", "UDP")), size=chance.randint(1, 3))}
        for name in chance.sample("abc", chance.randint(0, 3))
    ]
    spec = _maybe(
        chance,
        0.3,
        replicas=chance.randint(0, 3),
        size=chance.choice((1, 2, 3, 500)),
        name=chance.choice("ab"),
        mode=chance.choice(("On", "Off", "Sideways")),
        flag=chance.random() < 0.5,
        items=items,
        tags=chance.sample("abc", chance.randint(0, 3)),
        args=chance.sample("abc", chance.randint(0, 2)),
        whole=_maybe(chance, a="1", b=chance.choice("12")),
        free=_maybe(chance, a={"b": chance.randint(1, 2)}, l=[chance.randint(1, 2)]),
        port=chance.choice((80, "http")),
        nested=_maybe(chance, x=chance.choice("12"), y={"z": chance.randint(1, 2)}),
    )
    return {**_metadata(chance), "spec": spec}


def _containers(chance: random.Random) -> list[Part]:
    def container(name: str) -> Part:
        env = [
            {"name": one, "value": chance.choice("12")} for one in chance.sample("AB", chance.randint(1, 2))
        ]
        # A port that two containers have is warned of; that is no rule of writing.
        free = (80, 81) if name == "one" else (90, 91)
        ports = [{"containerPort": one} for one in chance.sample(free, chance.randint(1, 2))]
        more = _maybe(chance, 0.3, env=env, ports=ports, args=chance.sample("xy", 1))
        return {"name": name, "image": chance.choice(("i:1", "i:2")), **more}

    return [container(name) for name in chance.sample(("one", "two"), chance.randint(1, 2))]


def _deployment(chance: random.Random) -> Part:
    pod = {"containers": _containers(chance), **_maybe(chance, 0.2, nodeSelector={"n": chance.choice("12")})}
    spec = {
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": pod},
        **_maybe(chance, 0.3, replicas=chance.randint(0, 3), paused=True, minReadySeconds=1),
        **_maybe(chance, 0.1, strategy={"type": "Recreate"}),
    }
    return {**_metadata(chance), "spec": spec}


def _service(chance: random.Random) -> Part:
    ports = [
        {"name": name, "port": port, **_maybe(chance, 0.3, protocol="UDP", targetPort=port + 1)}
        for name, port in chance.sample([("a", 80), ("b", 81), ("c", 82)], chance.randint(1, 3))
    ]
    spec = {
        "clusterIP": "None",
        "ports": ports,
        "selector": _maybe(chance, b="1") | {"a": chance.choice("12")},
    }
    return {**_metadata(chance), "spec": spec}


_MARKED = (("/metadata/labels", {"l": "3"}), ("/metadata/labels/l", "2"), ("/metadata/annotations/n", "1"))
_KINDS = (
    Kind(
        plural="configmaps",
        body=_config_map,
        pointers=(("/data", {"x": "1"}), ("/data/x", "1"), ("/data/y", "2"), ("/immutable", True), *_MARKED),
    ),
    Kind(plural="secrets", body=_secret, pointers=(("/data/x", "MQ=="), ("/type", "Opaque"), *_MARKED)),
    Kind(
        plural="widgets",
        body=_widget,
        pointers=(
            ("/spec", {}),
            ("/spec/size", 2),
            ("/spec/items/0", {"name": "a"}),
            ("/spec/tags/-", "z"),
            ("/spec/nested/x", "1"),
            ("/spec/free/a", {"c": 1}),
            *_MARKED,
        ),
        has_status=True,
        has_scale=True,
        is_custom=True,
    ),
    Kind(
        plural="deployments",
        body=_deployment,
        pointers=(
            ("/spec/replicas", 2),
            ("/spec/template/spec/containers/0/image", "i:3"),
            ("/spec/template/spec/containers/1", {"name": "z", "image": "z"}),
            ("/spec/paused", False),
            *_MARKED,
        ),
        has_status=True,
        has_scale=True,
    ),
    Kind(
        plural="services",
        body=_service,
        pointers=(("/spec/ports/0/port", 90), ("/spec/ports/-", {"port": 99, "name": "z"}), *_MARKED),
    ),
)
