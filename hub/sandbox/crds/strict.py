"""Says what of a body nobody knows or what is in it twice, as the request wants it: refused, warned of, or passed over."""

import json
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any

from agent.kube.api import Object
from hub.sandbox.crds.faults import as_json
from hub.sandbox.refusals import Cause, Refused, bad_request
from hub.sandbox.wording import quoted


class Strictness(StrEnum):
    """What a request asks by `fieldValidation`. Warn is what happens when it does not ask."""

    STRICT = "Strict"
    WARN = "Warn"
    IGNORE = "Ignore"


class _Pairs(list[tuple[str, Any]]):
    """An object of a body: all its fields in order, those that are there twice too."""


def duplicate_fields(body: bytes) -> list[str]:
    """Return the paths of fields that are twice in a JSON body."""
    found: list[str] = []
    _walk(json.loads(body, object_pairs_hook=_Pairs), "", found)
    return found


def problems(duplicates: Iterable[str], unknown: Iterable[str]) -> list[str]:
    """Return each problem in a text, duplicates first; these are the warnings too."""
    return [
        *(f'duplicate field "{path}"' for path in duplicates),
        *(f'unknown field "{path}"' for path in unknown),
    ]


def refusal(kind: str, version: str, found: Sequence[str]) -> Refused:
    """Return the refusal of a body of a kind with problems."""
    told = ", ".join(found)
    return bad_request(
        f'{kind} in version "{version}" cannot be handled as a {kind}: strict decoding error: {told}'
    )


def patch_refusal(patched: Object, found: Sequence[str]) -> Refused:
    """Return the refusal of a patch whose outcome has problems."""
    text = f"Invalid value: {quoted(as_json(patched))}: strict decoding error: {', '.join(found)}"
    cause = Cause(reason="FieldValueInvalid", message=text, field="patch")
    return Refused(422, "Invalid", f' "" is invalid: patch: {text}', {"causes": [cause.encode()]})


def _walk(value: Any, path: str, found: list[str]) -> None:
    if isinstance(value, _Pairs):
        seen: set[str] = set()
        for name, part in value:
            at = f"{path}.{name}" if path else name
            if name in seen and at not in found:
                found.append(at)
            seen.add(name)
            _walk(part, at, found)
    elif isinstance(value, list):
        for index, part in enumerate(value):
            _walk(part, f"{path}[{index}]", found)
