"""The protobuf form of built-in kinds, reduced from the Go modules of Kubernetes that the control plane is built of.

python -m e2e.controlplane.protobuf        # writes hub/sandbox/schema/protobuf.json

From the .proto files: numbers and types. From the Go types: which fields are inlined in JSON, and which are left out when they are zero.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from hub.sandbox.schema import builtin

FILE = Path(__file__).parents[2] / "hub" / "sandbox" / "schema" / "protobuf.json"
_MODULE = Path(__file__).parent
_MODULES = ("k8s.io/api", "k8s.io/apimachinery", "k8s.io/kube-aggregator")
_MESSAGE = re.compile(r"^message (\w+) \{(.*?)^\}", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(
    r"^  (optional |repeated |required )?(map<string, ([\w.]+)>|[\w.]+) (\w+) = (\d+);", re.MULTILINE
)
_STRUCT = re.compile(r"^type (\w+) struct \{(.*?)^\}", re.MULTILINE | re.DOTALL)
_TAGS = re.compile(
    r'^\s*(?:\w+\s+)?(\*?)[^\s`]*\s+`json:"([^",]*)(,[^"]*)?"[^`]*?protobuf:"\w+,(\d+),', re.MULTILINE
)
_SCALARS = ("string", "bool", "int32", "int64", "uint32", "uint64", "double", "bytes")
# Beside the kinds that are stored.
_ROOTS = ("io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions",)

Fields = list[list[str | int]]


def messages() -> dict[str, Fields]:
    """Return, by the name of a type, its fields: number, name in JSON (empty when inlined), type, and flags.

    Flags: r for a list, m for a map, o for what is left out when it is zero.
    """
    found: dict[str, Fields] = {}
    for module in _MODULES:
        folder = _folder(module)
        for file in sorted(folder.rglob("generated.proto")):
            text = file.read_text()
            package = re.search(r"^package ([\w.]+);", text, re.MULTILINE)
            assert package is not None, file
            go = "\n".join(one.read_text() for one in sorted(file.parent.glob("*.go")))
            found.update(_of_package(package[1], text, _tags(go)))
    return dict(_reachable(found))


def text(found: dict[str, Fields]) -> str:
    """Return the text of the file, a type per line."""
    lines = (
        f"{json.dumps(name)}:{json.dumps(fields, separators=(',', ':'))}"
        for name, fields in sorted(found.items())
    )
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _of_package(
    package: str, proto: str, tags: dict[str, dict[int, tuple[str, bool]]]
) -> Iterator[tuple[str, Fields]]:
    for name, body in _MESSAGE.findall(proto):
        fields: Fields = []
        for label, whole, of_map, field, number in _FIELD.findall(body):
            shown, is_omitted = tags.get(name, {}).get(int(number), (field, True))
            of = of_map or whole
            flags = ("m" if of_map else "r" if label == "repeated " else "") + ("o" if is_omitted else "")
            fields.append([int(number), shown, of if of in _SCALARS else _type(of, package), flags])
        yield _type(name, package), fields


def _type(name: str, package: str) -> str:
    """Return the name under which OpenAPI has a type: the host's labels turned round."""
    whole = name.removeprefix(".") if name.startswith(".") else f"{package}.{name}"
    return whole.replace("k8s.io.", "io.k8s.", 1).replace("kube_aggregator", "kube-aggregator")


def _tags(go: str) -> dict[str, dict[int, tuple[str, bool]]]:
    """Return, by struct and number, the name in JSON and whether a zero is left out; what is a pointer is never zero."""
    return {
        name: {
            int(number): ("" if "inline" in options else shown, "omitempty" in options and not pointer)
            for pointer, shown, options, number in _TAGS.findall(body)
        }
        for name, body in _STRUCT.findall(go)
    }


def _reachable(found: dict[str, Fields]) -> Iterator[tuple[str, Fields]]:
    waiting = [builtin().type_name(*kind) for kind in builtin().kinds() if not kind[2].endswith("List")]
    waiting += _ROOTS
    done: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in found and name not in done:
            done.add(name)
            yield name, found[name]
            waiting += [str(field[2]) for field in found[name]]


def _folder(module: str) -> Path:
    """Return where a module is that the control plane is built of; it is fetched when it is not there."""
    done = subprocess.run(
        ["go", "mod", "download", "-json", module], cwd=_MODULE, capture_output=True, text=True, check=True
    )
    return Path(json.loads(done.stdout)["Dir"])


def main() -> None:
    """Write the file."""
    FILE.write_text(text(messages()))


if __name__ == "__main__":
    main()
