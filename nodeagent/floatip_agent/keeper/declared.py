"""What the API server's CRD declares of a FloatingIPNode's status.

After a roll-back the CRDs may be older than an agent. Server-side apply then refuses a status with a field that is not declared, all of it,
and nobody would hear of the node any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from floatip_api import names

PATH = f"/openapi/v3/apis/{names.API_VERSION}"
"""Every authenticated client may read it."""
_SCHEMA = (
    f"{'.'.join(reversed(names.GROUP.split('.')))}.{names.API_VERSION.rpartition('/')[2]}.{names.FLOATING_IP_NODE}"
)
_NOT_DECLARED = "field not declared in schema"


def is_too_new(refusal: str) -> bool:
    """Whether the API server's message says that a field is not declared."""
    return _NOT_DECLARED in refusal


def status_schema(openapi: Mapping[str, Any]) -> dict[str, Any]:
    """From the document at `PATH`; one that declares nothing, and so leaves nothing out, when the kind is not in it."""
    found: Any = openapi
    for word in ("components", "schemas", _SCHEMA, "properties", "status"):
        found = found.get(word, {})
    return dict(found)


def declared(value: Any, schema: Mapping[str, Any]) -> Any:
    """The value without the fields that the schema lacks."""
    if isinstance(value, dict) and "properties" in schema:
        known: Mapping[str, Any] = schema["properties"]
        return {name: declared(entry, known[name]) for name, entry in value.items() if name in known}
    if isinstance(value, list) and "items" in schema:
        return [declared(entry, schema["items"]) for entry in value]
    return value
