"""What a good or bad FloatingIP of the tables is made of."""

from __future__ import annotations

import dataclasses
from typing import Any

IPV4 = "192.0.2.94/24"
IPV6 = "2001:db8::94/64"


@dataclasses.dataclass(frozen=True)
class Case:
    """`field` is where the fault is, None for a good one; `says` stands in both messages, word for word."""

    name: str
    manifest: dict[str, Any]
    field: str | None = None
    says: str = ""


def case(
    name: str, spec: dict[str, Any] | None, field: str | None = None, says: str = "", *, called: str = "case"
) -> Case:
    manifest = {
        "apiVersion": "floatip.dev/v1alpha1",
        "kind": "FloatingIP",
        "metadata": {"name": called},
        "spec": spec,
    }
    return Case(name, manifest, field, says)


def with_addresses(**spec: Any) -> dict[str, Any]:
    return {"addresses": [IPV4], **spec}
