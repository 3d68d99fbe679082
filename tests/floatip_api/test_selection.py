"""api.md: "the first entry that matches a node wins"; label selectors as Kubernetes has them."""

from __future__ import annotations

import pytest
from floatip_api.selection import first_match, selects
from floatip_api.v1alpha1 import LabelSelector, NodeEntry


@pytest.mark.parametrize(
    ("selector", "labels", "matches"),
    [
        ({}, {}, True),
        ({"matchLabels": {"role": "web"}}, {"role": "web", "zone": "a"}, True),
        ({"matchLabels": {"role": "web", "zone": "b"}}, {"role": "web", "zone": "a"}, False),
        ({"matchLabels": {"role": ""}}, {}, False),
        ({"matchExpressions": [{"key": "role", "operator": "In", "values": ["web", "db"]}]}, {"role": "db"}, True),
        ({"matchExpressions": [{"key": "role", "operator": "In", "values": ["web"]}]}, {}, False),
        ({"matchExpressions": [{"key": "role", "operator": "NotIn", "values": ["web"]}]}, {"role": "web"}, False),
        ({"matchExpressions": [{"key": "role", "operator": "NotIn", "values": ["web"]}]}, {}, True),
        ({"matchExpressions": [{"key": "role", "operator": "Exists"}]}, {"role": ""}, True),
        ({"matchExpressions": [{"key": "role", "operator": "Exists"}]}, {}, False),
        ({"matchExpressions": [{"key": "role", "operator": "DoesNotExist"}]}, {}, True),
        ({"matchExpressions": [{"key": "role", "operator": "DoesNotExist"}]}, {"role": "web"}, False),
    ],
)
def test_selector(selector: dict[str, object], labels: dict[str, str], matches: bool) -> None:
    assert selects(LabelSelector.from_manifest(selector), labels) is matches


def test_the_first_entry_that_matches_wins() -> None:
    by_label = NodeEntry.from_manifest({"selector": {"matchLabels": {"role": "web"}}, "priority": 10})
    by_name = NodeEntry(name="a", priority=200)
    assert first_match([by_label, by_name], "a", {"role": "web"}) is by_label
    assert first_match([by_label, by_name], "a", {}) is by_name
    assert first_match([by_label, by_name], "b", {}) is None
