"""How a request that writes is meant, from its query and, for a deletion, its body."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hub.sandbox.decoding import body_of
from hub.sandbox.drafts import Options
from hub.sandbox.refusals import bad_request, no_such_kind, refused_option
from hub.sandbox.verbs import Deletion
from hub.sandbox.wire import Request

_KINDS = {"create": "CreateOptions", "update": "UpdateOptions", "patch": "PatchOptions"}
_STRICTNESS = ("", "Ignore", "Strict", "Warn")
_MAX_MANAGER = 128
_POLICIES = ("Foreground", "Background", "Orphan")


def options_of(request: Request, verb: str, *, is_apply: bool = False) -> Options:
    """Read the options of a write. Raises Refused."""
    kind = _KINDS[verb]
    manager = request.asked("fieldManager")
    if is_apply and not manager:
        raise refused_option(
            kind, "fieldManager", "FieldValueRequired", "Required value: is required for apply patch"
        )
    if len(manager) > _MAX_MANAGER:
        told = f"Too long: may not be more than {_MAX_MANAGER} bytes"
        raise refused_option(kind, "fieldManager", "FieldValueTooLong", told)
    for position, character in enumerate(manager):
        if not character.isprintable():
            why = f"invalid character U+{ord(character):04X} (at position {position})"
            told = f"Invalid value: {json.dumps(manager)}: {why}"
            raise refused_option(kind, "fieldManager", "FieldValueInvalid", told)
    if request.query.get("force") and verb == "patch" and not is_apply:
        raise refused_option(
            kind, "force", "FieldValueForbidden", "Forbidden: may not be specified for non-apply patch"
        )
    strictness = request.asked("fieldValidation")
    if strictness not in _STRICTNESS:
        listed = ", ".join(f'"{one}"' for one in _STRICTNESS)
        told = f'Unsupported value: "{strictness}": supported values: {listed}'
        raise refused_option(kind, "fieldValidation", "FieldValueNotSupported", told)
    return Options(
        manager=manager or request.headers.get("user-agent", "").partition("/")[0] or "unknown",
        dry_run=_is_dry(request.query.get("dryRun") or (), kind),
        force=request.is_asked("force"),
        strictness=strictness or "Warn",
    )


def deletion_of(request: Request) -> Deletion:
    """Read the options of a deletion: of the body when there is one, and then of it alone. Raises Refused."""
    if not request.body.strip():
        return deletion_as({}, request)
    body = body_of(request, "DeleteOptions")
    if isinstance(body, dict) and body.get("kind", "DeleteOptions") != "DeleteOptions":
        raise bad_request(no_such_kind(body["kind"], str(body.get("apiVersion", ""))))
    return deletion_as(body, replace(request, query={}))


def deletion_as(body: Any, request: Request) -> Deletion:
    """Read the options of a deletion from what was sent of them. Raises Refused."""
    conditions = body.get("preconditions") or {}
    grace = body.get("gracePeriodSeconds", request.asked("gracePeriodSeconds") or None)
    dry_run = _is_dry(body.get("dryRun") or request.query.get("dryRun") or (), "DeleteOptions")
    return Deletion(
        uid=conditions.get("uid") or "",
        version=conditions.get("resourceVersion") or "",
        grace_s=int(grace) if grace is not None else None,
        propagation=_propagation(body, request),
        dry_run=dry_run,
    )


def _propagation(body: Any, request: Request) -> str:
    """Return what is to become of dependents; clients from before there was a choice of three tell it by a truth value."""
    orphans = body.get("orphanDependents", request.asked("orphanDependents") or None)
    policy = body.get("propagationPolicy") or request.asked("propagationPolicy")
    if policy and orphans is not None:
        why = f'Invalid value: "{policy}": orphanDependents and deletionPropagation cannot be both set'
        raise refused_option("DeleteOptions", "propagationPolicy", "FieldValueInvalid", why)
    if policy and policy not in _POLICIES:
        listed = ", ".join(f'"{one}"' for one in (*_POLICIES, "nil"))
        told = f'Unsupported value: "{policy}": supported values: {listed}'
        raise refused_option("DeleteOptions", "propagationPolicy", "FieldValueNotSupported", told)
    return policy or {True: "Orphan", "true": "Orphan", False: "Background", "false": "Background"}.get(
        orphans, ""
    )


def _is_dry(values: Sequence[str], kind: str) -> bool:
    if any(one != "All" for one in values):
        listed = ", ".join(f'"{one}"' for one in values)
        told = f'Unsupported value: [{listed}]: supported values: "All"'
        raise refused_option(kind, "dryRun", "FieldValueNotSupported", told)
    return bool(values)
