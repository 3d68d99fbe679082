"""From pydantic models to the structural schemas that Kubernetes takes, with the CEL rules in their places."""

from __future__ import annotations

from typing import Any

from floatip_api.base import Model
from floatip_api.rule import Rule

Schema = dict[str, Any]

LIST_KEYS = {
    "spec.probes": ["name"],
    "spec.trackedInterfaces": ["name"],
    "spec.virtualRouters[].trackedInterfaces": ["name"],
    "status.nodes": ["name", "family"],
    "status.conditions": ["type"],
    "spec.virtualRouters": ["name", "family"],
    "spec.virtualRouters[].probes": ["name"],
    "status.virtualRouters": ["name", "family"],
    "status.interfaces": ["name"],
}
"""Lists of named objects (x-kubernetes-list-type: map); all others are atomic."""

_DROPPED = {"title", "default", "const", "$defs"}
_INT64 = {"observedGeneration", "transitions"}


def structural(model: type[Model], rules: tuple[Rule, ...] = ()) -> Schema:
    """The openAPIV3Schema of a kind."""
    whole = model.model_json_schema(by_alias=True)
    schema = _convert(whole, whole.get("$defs", {}), "")
    schema["properties"]["metadata"] = {"type": "object"}
    schema["properties"]["apiVersion"] = {"type": "string"}
    schema["properties"]["kind"] = {"type": "string"}
    schema["required"] = ["spec"]
    for rule in rules:
        _place(schema, rule)
    return schema


def _convert(node: Schema, definitions: dict[str, Schema], path: str) -> Schema:
    node = _resolved(node, definitions)
    made: Schema = {
        key: value
        for key, value in node.items()
        if key not in _DROPPED | {"properties", "items", "additionalProperties"}
    }
    if "const" in node:
        made["enum"] = [node["const"]]
    if "default" in node and node["default"] not in (None, []):
        made["default"] = _without_null(node["default"])
    if "description" in made:
        made["description"] = " ".join(made["description"].split())
    match node.get("type"):
        case "object":
            _object(made, node, definitions, path)
        case "array":
            made["items"] = _convert(node["items"], definitions, f"{path}[]")
            keys = LIST_KEYS.get(path)
            made["x-kubernetes-list-type"] = "map" if keys else "atomic"
            if keys:
                made["x-kubernetes-list-map-keys"] = keys
        case "integer":
            made["format"] = "int64" if path.rpartition(".")[2] in _INT64 else "int32"
    return made


def _object(made: Schema, node: Schema, definitions: dict[str, Schema], path: str) -> None:
    if "properties" in node:
        made["properties"] = {
            name: _convert(part, definitions, f"{path}.{name}".lstrip(".")) for name, part in node["properties"].items()
        }
    elif isinstance(node.get("additionalProperties"), dict):
        made["additionalProperties"] = _convert(node["additionalProperties"], definitions, f"{path}.*")
        if "maxProperties" not in made:
            made["maxProperties"] = 16


def _resolved(node: Schema, definitions: dict[str, Schema]) -> Schema:
    """Without $ref, and without the null of an optional field; what stands beside the reference wins."""
    if "anyOf" in node:
        (kept,) = [choice for choice in node["anyOf"] if choice.get("type") != "null"]
        node = {**kept, **{key: value for key, value in node.items() if key != "anyOf"}}
    if "$ref" in node:
        target = definitions[node["$ref"].rpartition("/")[2]]
        beside = {key: value for key, value in node.items() if key != "$ref"}
        return _resolved({**target, **beside}, definitions)
    return node


def _without_null(default: Any) -> Any:
    if isinstance(default, dict):
        return {key: _without_null(value) for key, value in default.items() if value is not None}
    return default


def _place(schema: Schema, rule: Rule) -> None:
    node = schema
    for step in rule.at.split(".") if rule.at else []:
        node = node["properties"][step.removesuffix("[]")]
        if step.endswith("[]"):
            node = node["items"]
    entry: Schema = {"rule": rule.cel}
    entry["messageExpression" if rule.is_expression else "message"] = rule.message
    if rule.field and not rule.field.startswith("metadata"):  # which has no schema here to point into
        entry["fieldPath"] = "".join(f".{part}" for part in rule.field.split("."))
    node.setdefault("x-kubernetes-validations", []).append(entry)
