"""What all API models share: strict types, Kubernetes spelling, unknown fields refused."""

from __future__ import annotations

import copy
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Location = tuple[int | str, ...]
"""A place in a document: fields and indices."""

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

    @classmethod
    def from_newer(cls, document: Any, passed_over: list[Location]) -> Self:
        """As `from_manifest`, of a document that a newer version may have written: fields that are not known here are passed over, their
        places added to the list. Raises pydantic's `ValidationError`."""
        known = copy.deepcopy(document)
        while True:
            try:
                return cls.model_validate(known)
            except ValidationError as error:
                faults = error.errors(include_url=False)
                unknown = [fault["loc"] for fault in faults if fault["type"] == "extra_forbidden"]
                if not unknown:
                    raise
            passed_over += unknown
            for location in unknown:
                remove_at(known, location)


def remove_at(document: Any, location: Location) -> None:
    *parents, last = location
    for part in parents:
        document = document[part]
    del document[last]


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
