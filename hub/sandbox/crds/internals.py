"""Shows parts of a definition by the names they have inside the real server: its messages quote them so."""

from collections.abc import Mapping, Sequence
from typing import Any

from hub.sandbox.crds.faults import Raw, as_json
from hub.sandbox.crds.schemas import Schema

_SCHEMA: Mapping[str, Any] = {
    "ID": "", "Schema": "", "Ref": None, "Description": "", "Type": "", "Nullable": False, "Format": "", "Title": "",
    "Default": None, "Maximum": None, "ExclusiveMaximum": False, "Minimum": None, "ExclusiveMinimum": False,
    "MaxLength": None, "MinLength": None, "Pattern": "", "MaxItems": None, "MinItems": None, "UniqueItems": False,
    "MultipleOf": None, "Enum": None, "MaxProperties": None, "MinProperties": None, "Required": None, "Items": None,
    "AllOf": None, "OneOf": None, "AnyOf": None, "Not": None, "Properties": None, "AdditionalProperties": None,
    "PatternProperties": None, "Dependencies": None, "AdditionalItems": None, "Definitions": None, "ExternalDocs": None,
    "Example": None, "XPreserveUnknownFields": None, "XEmbeddedResource": False, "XIntOrString": False,
    "XListMapKeys": None, "XListType": None, "XMapType": None, "XValidations": None,
}  # fmt: skip
_RULE = {
    "Rule": "",
    "Message": "",
    "MessageExpression": "",
    "Reason": None,
    "FieldPath": "",
    "OptionalOldSelf": None,
}
_COLUMN = {"Name": "", "Type": "", "Format": "", "Description": "", "Priority": 0, "JSONPath": ""}
_NAMES = {"ID": "id", "Ref": "$ref", "Schema": "$schema", "JSONPath": "jsonPath"}
_EXTENSIONS = {
    "XPreserveUnknownFields": "x-kubernetes-preserve-unknown-fields",
    "XEmbeddedResource": "x-kubernetes-embedded-resource",
    "XIntOrString": "x-kubernetes-int-or-string",
    "XListMapKeys": "x-kubernetes-list-map-keys",
    "XListType": "x-kubernetes-list-type",
    "XMapType": "x-kubernetes-map-type",
    "XValidations": "x-kubernetes-validations",
}


def schema(value: Schema) -> Raw:
    """Return a schema as it is shown."""
    return Raw(_object(value, _SCHEMA))


def rule(value: Mapping[str, Any]) -> Raw:
    """Return a rule as it is shown."""
    return Raw(_object(value, _RULE))


def versions(values: Sequence[Mapping[str, Any]], shared: Mapping[str, bool]) -> Raw:
    """Return versions as they are shown, without what all of them share."""
    return Raw(f"[{','.join(_version(one, shared) for one in values)}]")


def _version(value: Mapping[str, Any], shared: Mapping[str, bool]) -> str:
    def own(name: str) -> Any:
        return None if shared.get(name) else value.get(name)

    of, parts, columns = (
        (own("schema") or {}).get("openAPIV3Schema"),
        own("subresources"),
        own("additionalPrinterColumns"),
    )
    shown = {
        "Name": as_json(value.get("name") or ""),
        "Served": as_json(bool(value.get("served"))),
        "Storage": as_json(bool(value.get("storage"))),
        "Deprecated": as_json(bool(value.get("deprecated"))),
        "DeprecationWarning": as_json(value.get("deprecationWarning")),
        "Schema": f'{{"OpenAPIV3Schema":{_object(of, _SCHEMA)}}}' if of is not None else "null",
        "Subresources": _subresources(parts),
        "AdditionalPrinterColumns": _list(columns, _COLUMN),
        "SelectableFields": _list(own("selectableFields"), {"JSONPath": ""}),
    }
    return "{" + ",".join(f'"{name}":{part}' for name, part in shown.items()) + "}"


def _subresources(value: Any) -> str:
    if not value:
        return "null"
    scale = {"SpecReplicasPath": "", "StatusReplicasPath": "", "LabelSelectorPath": None}
    told = _object(value["scale"], scale) if value.get("scale") else "null"
    return f'{{"Status":{"{}" if value.get("status") is not None else "null"},"Scale":{told}}}'


def _object(value: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    parts = (f'"{name}":{_part(name, value.get(_json_name(name)), empty)}' for name, empty in known.items())
    return "{" + ",".join(parts) + "}"


def _part(name: str, value: Any, empty: Any) -> str:
    if value is None:
        return as_json(empty)
    match name:
        case "AllOf" | "OneOf" | "AnyOf":
            return _list(value, _SCHEMA)
        case "Not":
            return _object(value, _SCHEMA)
        case "Items":
            return f'{{"Schema":{_object(value, _SCHEMA)},"JSONSchemas":null}}'
        case "AdditionalProperties":
            inner = _object(value, _SCHEMA) if isinstance(value, Mapping) else "null"
            return f'{{"Allows":{as_json(value is not False)},"Schema":{inner}}}'
        case "Properties":
            return (
                "{"
                + ",".join(f"{as_json(key)}:{_object(value[key], _SCHEMA)}" for key in sorted(value))
                + "}"
            )
        case "XValidations":
            return _list(value, _RULE)
        case _:
            return as_json(value)


def _list(values: Any, known: Mapping[str, Any]) -> str:
    return f"[{','.join(_object(one, known) for one in values)}]" if values else "null"


def _json_name(name: str) -> str:
    return _EXTENSIONS.get(name) or _NAMES.get(name) or name[:1].lower() + name[1:]
