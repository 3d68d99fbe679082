"""What all API models share: strict types, Kubernetes spelling, unknown fields refused."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field

_ACRONYMS = {"id": "ID", "ip": "IP", "mac": "MAC", "uid": "UID"}


def kubernetes_name(attribute: str) -> str:
    """`virtual_router_id` -> `virtualRouterID`: camelCase with acronyms in one case (Kubernetes API conventions)."""
    first, *rest = attribute.split("_")
    return first + "".join(_ACRONYMS.get(word, word.capitalize()) for word in rest)


class Model(BaseModel):
    """A part of a document. Immutable; attributes are snake_case, fields camelCase."""

    model_config = ConfigDict(
        alias_generator=kubernetes_name,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        strict=True,
    )

    def to_manifest(self) -> dict[str, Any]:
        """JSON-ready, with the fields' own spelling; what is absent stays absent."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    @classmethod
    def from_manifest(cls, document: object) -> Self:
        """Raises pydantic's `ValidationError`."""
        return cls.model_validate(document)


class Metadata(BaseModel):
    """The part of ObjectMeta that floatip reads; the rest is carried along."""

    model_config = ConfigDict(alias_generator=kubernetes_name, populate_by_name=True, extra="allow", frozen=True)

    name: Annotated[
        str, Field(max_length=253, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    ]
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    finalizers: list[str] = []
    creation_timestamp: str = ""
    deletion_timestamp: str | None = None
