"""Judges a definition of custom resources, in the words of the real server."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agent.kube.api import Object
from hub.sandbox.crds import faults, internals, names, schema_checks, schemas, structure
from hub.sandbox.crds.faults import Fault, indexed
from hub.sandbox.kinds.names import label_1035, subdomain
from hub.sandbox.wording import same

_SHARED = {
    "schema": "validation",
    "subresources": "subresources",
    "additionalPrinterColumns": "additionalPrinterColumns",
    "selectableFields": "selectableFields",
}
_TYPES = ("boolean", "date", "integer", "number", "string")
_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
_AT_ROOT = (
    "Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern MaxItems"
    " MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields XValidations"
)
_IMMUTABLE = "field is immutable"
MAX_SELECTABLE = 8


def faults_of(definition: Object, old: Object | None = None) -> list[Fault]:
    """Return what is wrong with a completed definition; `old` is the one it replaces."""
    spec, found = definition["spec"], list(_name(definition) if old is None else ())
    found += _spec(spec)
    if old is not None:
        found += _changed(spec, old)
    found += _stored(definition)
    if spec.get("preserveUnknownFields"):
        text = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        found.append(faults.invalid("spec.preserveUnknownFields", True, text))
    return found


def _name(definition: Object) -> Iterator[Fault]:
    spec, name = definition["spec"], definition["metadata"].get("name") or ""
    wanted = f"{(spec.get('names') or {}).get('plural') or ''}.{spec.get('group') or ''}"
    for reason in subdomain(name):
        yield faults.invalid("metadata.name", name, reason)
    if name != wanted:
        yield faults.invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')


def _spec(spec: Object) -> Iterator[Fault]:
    group, scope, versions = spec.get("group") or "", spec.get("scope") or "", spec.get("versions") or []
    if not group:
        yield faults.required("spec.group")
    elif reasons := subdomain(group):
        yield faults.invalid("spec.group", group, ",".join(reasons))
    elif "." not in group:
        yield faults.invalid("spec.group", group, "should be a domain with at least one dot")
    if not scope:
        yield faults.required("spec.scope")
    elif scope not in ("Cluster", "Namespaced"):
        yield faults.not_supported("spec.scope", scope, ("Cluster", "Namespaced"))
    yield from _versions(spec, versions)
    yield from _names(spec.get("names") or {})
    yield from _conversion(spec.get("conversion") or {})


def _versions(spec: Object, versions: Sequence[Object]) -> Iterator[Fault]:
    shared = {name: _is_shared(versions, name) for name in _SHARED}
    for index, one in enumerate(versions):
        at = f"spec.versions[{index}]"
        if not shared["schema"] and _schema(one) is None:
            yield faults.required(f"{at}.schema.openAPIV3Schema")
        if reasons := label_1035(one.get("name") or ""):
            yield faults.invalid(f"{at}.name", one.get("name") or "", ",".join(reasons))
        yield from _deprecation(one, at)
    for index, one in enumerate(versions):
        places = {
            name: f"spec.{_SHARED[name]}" if shared[name] else f"spec.versions[{index}].{name}"
            for name in _SHARED
        }
        yield from _version(one, places, {name for name in shared if not (index and shared[name])})
    if versions and (reasons := label_1035(versions[0].get("name") or "")):
        # The field that named the only version once is still filled in, and judged.
        yield faults.invalid("spec.version", versions[0].get("name") or "", ",".join(reasons))
    names_of = [one.get("name") for one in versions]
    if len(set(names_of)) < len(names_of):
        yield faults.invalid(
            "spec.versions", internals.versions(versions, shared), "must contain unique version names"
        )
    if sum(bool(one.get("storage")) for one in versions) != 1:
        text = "must have exactly one version marked as storage version"
        yield faults.invalid("spec.versions", internals.versions(versions, shared), text)


def _is_shared(versions: Sequence[Object], name: str) -> bool:
    """Tell whether all versions say the same of something: then it is told once, for all."""
    first = versions[0].get(name) if versions else None
    return bool(first) and all(same(one.get(name), first) for one in versions)


def _schema(version: Object) -> Any:
    return (version.get("schema") or {}).get("openAPIV3Schema")


def _version(version: Object, places: Mapping[str, str], told: set[str]) -> Iterator[Fault]:
    schema, parts = _schema(version), version.get("subresources") or {}
    if "schema" in told and schema is not None:
        yield from _schema_faults(
            schema, f"{places['schema']}.openAPIV3Schema", has_status=parts.get("status") is not None
        )
    if "subresources" in told and parts.get("scale") is not None:
        yield from _scale(parts["scale"], f"{places['subresources']}.scale")
    if "additionalPrinterColumns" in told:
        for index, column in enumerate(version.get("additionalPrinterColumns") or ()):
            yield from _column(column, indexed(places["additionalPrinterColumns"], index))
    if "selectableFields" in told:
        yield from _selectable(
            version.get("selectableFields") or (), schema or {}, places["selectableFields"]
        )


def _schema_faults(schema: Any, path: str, *, has_status: bool) -> Iterator[Fault]:
    if has_status:
        yield from _root_with_status(schema, path)
    if schema.get("nullable"):
        yield faults.forbidden(f"{path}.nullable", "nullable cannot be true at the root")
    found = structure.faults_of(schema, path) or list(schema_checks.faults_of_defaults(schema, path))
    yield from found
    yield from schema_checks.faults_of(schema, path, judges_rules=not found)


def _root_with_status(schema: Any, path: str) -> Iterator[Fault]:
    if schema.get("type") not in (None, "", "object"):
        text = 'only "object" is allowed as the type at the root of the schema if the status subresource is enabled'
        yield faults.invalid(f"{path}.type", schema["type"], text)
    known = {_json_name(one) for one in _AT_ROOT.split()}
    if any(part not in (None, False, "", [], {}) and name not in known for name, part in schema.items()):
        text = f"only [{_AT_ROOT}] fields are allowed at the root of the schema if the status subresource is enabled"
        yield faults.invalid(path, internals.schema(schema), text)


def _json_name(name: str) -> str:
    special = {
        "XPreserveUnknownFields": "x-kubernetes-preserve-unknown-fields",
        "XValidations": "x-kubernetes-validations",
    }
    return special.get(name) or name[:1].lower() + name[1:]


def _deprecation(version: Object, at: str) -> Iterator[Fault]:
    warning, path = version.get("deprecationWarning"), f"{at}.deprecationWarning"
    if warning is None:
        return
    if not version.get("deprecated"):
        yield faults.invalid(path, warning, "can only be set for deprecated versions")
        return
    if len(warning.encode()) > 256:
        yield faults.invalid(path, warning, "must be <= 256 characters long")
    if not warning:
        yield faults.invalid(path, warning, "must not be an empty string")


def _names(asked: Object) -> Iterator[Fault]:
    for name in ("plural", "singular", "kind", "listKind"):
        if not asked.get(name):
            yield faults.required(f"spec.names.{name}")
    for name in ("plural", "singular"):
        if asked.get(name) and (reasons := label_1035(asked[name])):
            yield faults.invalid(f"spec.names.{name}", asked[name], ",".join(reasons))
    for name in ("kind", "listKind"):
        if asked.get(name) and (reasons := label_1035(asked[name].lower())):
            text = f"may have mixed case, but should otherwise match: {','.join(reasons)}"
            yield faults.invalid(f"spec.names.{name}", asked[name], text)
    if asked.get("kind") and asked["kind"] == asked.get("listKind"):
        yield faults.invalid(
            "spec.names.listKind", asked["listKind"], "kind and listKind may not be the same"
        )
    for name in ("shortNames", "categories"):
        for index, one in enumerate(asked.get(name) or ()):
            if reasons := label_1035(one):
                yield faults.invalid(f"spec.names.{name}[{index}]", one, ",".join(reasons))


def _conversion(conversion: Object) -> Iterator[Fault]:
    strategy, webhook = conversion.get("strategy") or "", conversion.get("webhook") or {}
    if not strategy:
        yield faults.required("spec.conversion.strategy")
    elif strategy not in ("None", "Webhook"):
        yield faults.not_supported("spec.conversion.strategy", strategy, ("None", "Webhook"))
    reviews, at = webhook.get("conversionReviewVersions") or (), "spec.conversion.conversionReviewVersions"
    if strategy == "Webhook":
        if not webhook.get("clientConfig"):
            text = "required when strategy is set to Webhook"
            yield faults.required("spec.conversion.webhookClientConfig", text)
        if not reviews:
            yield faults.required(at)
    else:
        if webhook.get("clientConfig"):
            text = "should not be set when strategy is not set to Webhook"
            yield faults.forbidden("spec.conversion.webhookClientConfig", text)
        if reviews:
            yield faults.forbidden(at, "should not be set when strategy is not set to Webhook")


def _scale(scale: Object, at: str) -> Iterator[Fault]:
    for name, under in (("specReplicasPath", ".spec."), ("statusReplicasPath", ".status.")):
        path = scale.get(name) or ""
        if not path:
            yield faults.required(f"{at}.{name}")
        elif not path.startswith("."):
            yield faults.invalid(f"{at}.{name}", path, "must be a simple json path starting with .")
        elif not path.startswith(under):
            yield faults.invalid(f"{at}.{name}", path, f"should be a json path under {under[:-1]}")
    path, where = scale.get("labelSelectorPath") or "", f"{at}.labelSelectorPath"
    if path and not path.startswith("."):
        yield faults.invalid(where, path, "must be a simple json path starting with .")
    elif path and not path.startswith((".spec.", ".status.")):
        yield faults.invalid(where, path, "should be a json path under either .spec or .status")


def _column(column: Object, at: str) -> Iterator[Fault]:
    kind, form, path = column.get("type") or "", column.get("format") or "", column.get("jsonPath") or ""
    if not column.get("name"):
        yield faults.required(f"{at}.name")
    if not kind:
        yield faults.required(f"{at}.type", f"must be one of {','.join(_TYPES)}")
    elif kind not in _TYPES:
        yield faults.invalid(f"{at}.type", kind, f"must be one of {','.join(_TYPES)}")
    if form and form not in _FORMATS:
        yield faults.invalid(f"{at}.format", form, f"must be one of {','.join(_FORMATS)}")
    if not path:
        yield faults.required(f"{at}.JSONPath")
    elif not path.startswith("."):
        yield faults.invalid(f"{at}.JSONPath", path, "must be a simple json path starting with .")


def _selectable(fields: Sequence[Object], schema: Any, at: str) -> Iterator[Fault]:
    seen: set[str] = set()
    for index, field in enumerate(fields):
        path, where = field.get("jsonPath") or "", f"{at}[{index}].jsonPath"
        if not path:
            yield faults.required(where)
            continue
        inner: Any = schema
        for step in path.removeprefix(".").split("."):
            inner = schemas.part_of(inner, step)
        if inner is None:
            yield faults.invalid(where, path, "is an invalid path: does not refer to a valid field")
            continue
        if path.startswith(".metadata"):
            yield faults.invalid(where, path, "must not point to fields in metadata")
        if inner.get("type") not in ("string", "boolean", "integer"):
            kinds = "string, boolean or integer. Enum string fields and strings with formats are allowed."
            yield faults.invalid(where, path, f"must point to a field of type {kinds}")
        if path in seen:
            yield faults.duplicate(where, path)
        seen.add(path)
    if len(seen) > MAX_SELECTABLE:
        yield faults.too_many(at, len(seen), MAX_SELECTABLE)


def _changed(spec: Object, old: Object) -> Iterator[Fault]:
    """Yield what may not change: what objects are stored by, and once it is served the kind and the scope."""
    before = old["spec"]
    if names.is_true(old, names.ESTABLISHED):
        if spec.get("scope") != before.get("scope"):
            yield faults.invalid("spec.scope", spec.get("scope") or "", _IMMUTABLE)
        if spec["names"].get("kind") != before["names"].get("kind"):
            yield faults.invalid("spec.names.kind", spec["names"].get("kind") or "", _IMMUTABLE)
    if spec.get("group") != before.get("group"):
        yield faults.invalid("spec.group", spec.get("group") or "", _IMMUTABLE)
    if spec["names"].get("plural") != before["names"].get("plural"):
        yield faults.invalid("spec.names.plural", spec["names"].get("plural") or "", _IMMUTABLE)


def _stored(definition: Object) -> Iterator[Fault]:
    stored = (definition.get("status") or {}).get("storedVersions") or None
    known = [one.get("name") for one in definition["spec"].get("versions") or ()]
    if not stored:
        yield faults.invalid("status.storedVersions", stored, "must have at least one stored version")
    for one in definition["spec"].get("versions") or ():
        if stored and one.get("storage") and one.get("name") not in stored:
            text = f"must have the storage version {one['name']}"
            yield faults.invalid("status.storedVersions", stored, text)
    for index, one in enumerate(stored or ()):
        if one not in known:
            text = (
                f"missing from spec.versions; {one} was previously a storage version, and must remain in spec.versions until"
                f" a storage migration ensures no data remains persisted in {one} and removes {one} from status.storedVersions"
            )
            yield faults.invalid(f"status.storedVersions[{index}]", one, text)
