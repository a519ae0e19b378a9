"""What a real kube-apiserver makes of writes that merge, kept for tests that need none: `python -m e2e.contract.merging` writes it anew.

Each case is an object's life: requests one after the other. Kept of each are the object before it, the request, and the answer without
what is another at every run.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from e2e.contract.merging_cases import CASES, CRD, KINDS, Request
from e2e.contract.table.case import JSON
from e2e.contract.table.player import Call
from e2e.contract.table.real import RealServer, server_of, undisturbed
from e2e.planes.memory import memory_folder
from e2e.planes.plane import Plane

FILE = Path(__file__).parents[2] / "tests" / "hub" / "sandbox" / "recorded" / "answers.jsonl"
_TYPES = {
    "apply": "application/apply-patch+yaml",
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}
_CHANGING = ("uid", "resourceVersion", "creationTimestamp")


def recorded(plane: Plane) -> Iterator[str]:
    """Play the cases on a plane and give a line for each request."""
    plane.kubectl("apply", "-f", "-", input=json.dumps(CRD))
    plane.kubectl("wait", "--for=condition=Established", f"crd/{CRD['metadata']['name']}", "--timeout=60s")
    server = server_of(plane)
    with undisturbed(plane):
        for number, (kind, requests) in enumerate(CASES):
            for request in requests:
                yield json.dumps(
                    _played(server, kind, f"case-{number}", request), sort_keys=True, ensure_ascii=False
                )


def _played(server: RealServer, kind: str, name: str, request: Request) -> dict[str, Any]:
    api_version, plural = KINDS[kind]
    root = f"/api/{api_version}" if "/" not in api_version else f"/apis/{api_version}"
    folder = f"{root}/namespaces/default/{plural}"
    code, before = _ask(server, "GET", f"{folder}/{name}")
    before = before if code == 200 else None
    body = request.body
    if request.verb in ("apply", "create"):
        metadata = {"name": name, "namespace": "default", **body.get("metadata", {})}
        body = {"apiVersion": api_version, "kind": kind, **body, "metadata": metadata}
    elif request.verb == "update":
        body = {
            **(before or {}),
            **body,
            "metadata": {**(before or {})["metadata"], **body.get("metadata", {})},
        }
    query = f"?fieldManager={request.manager}" + ("&force=true" if request.force else "")
    place = f"{folder}/{name}" + (f"/{request.subresource}" if request.subresource else "")
    match request.verb:
        case "create":
            code, answer = _ask(server, "POST", folder + query, body)
        case "update":
            code, answer = _ask(server, "PUT", place + query, body)
        case verb:
            code, answer = _ask(server, "PATCH", place + query, body, _TYPES[verb])
    return {
        "kind": kind,
        "verb": request.verb,
        "manager": request.manager,
        "force": request.force,
        "subresource": request.subresource,
        "before": _steady(before),
        "body": _steady(body),
        "code": code,
        "answer": _steady(answer) if code < 400 else _refusal(answer),
    }


def _ask(
    server: RealServer, method: str, path: str, body: Any = None, media_type: str = JSON
) -> tuple[int, Any]:
    data = None if method == "GET" else json.dumps(body).encode()
    headers = {"Content-Type": media_type, "Accept": JSON}
    said = server.ask(Call(method=method, target=path, body=data, headers=headers, is_watch=False))
    return said.code, said.value


def _steady(value: Any) -> Any:
    """Return an object without what is another at every run."""
    if not isinstance(value, dict) or not isinstance(value.get("metadata"), dict):
        return value
    metadata = {name: part for name, part in value["metadata"].items() if name not in _CHANGING}
    entries = metadata.get("managedFields")
    if entries:
        metadata["managedFields"] = sorted(
            ({**entry, **({"time": "2026-01-01T00:00:00Z"} if "time" in entry else {})} for entry in entries),
            key=lambda entry: [
                str(entry.get(name)) for name in ("operation", "manager", "apiVersion", "subresource")
            ],
        )
    return {**value, "metadata": metadata}


def _refusal(status: dict[str, Any]) -> dict[str, Any]:
    causes = (status.get("details") or {}).get("causes") or []
    return {
        "message": status["message"],
        "causes": sorted((cause.get("message", ""), cause.get("field", "")) for cause in causes),
    }


def main() -> None:
    """Write the file."""
    with memory_folder() as folder, Plane("merging", folder) as plane:
        FILE.write_text("".join(f"{line}\n" for line in recorded(plane)))


if __name__ == "__main__":
    main()
