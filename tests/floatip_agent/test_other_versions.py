"""Saved copies of another version: "Versions N-1 and N work together both ways, saved copy included"."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from floatip_agent.configuration import Configuration, Health
from floatip_agent.keeper.document import Secrets, accept, restore, save
from floatip_agent.keeper.saved import SavedCopies
from floatip_agent.reading import ConfigurationError

OLDER = Path(__file__).parents[1] / "fixtures" / "0.1.0"
ENGINE = (OLDER / "engine.json").read_bytes()
NODE: dict[str, Any] = yaml.safe_load((OLDER / "floatingipnode.yaml").read_text())
KEYS = {("elk", "IPv4"), ("web", "IPv4"), ("web", "IPv6"), ("uni", "IPv4"), ("going", "IPv4")}


def newer(**changes: Any) -> bytes:
    """The saved copy as a later version of the same format might write it: `changes` go into web/IPv4."""
    document = json.loads(ENGINE)
    document["color"] = "red"
    document["routers"][1] |= changes
    return json.dumps(document).encode()


class TestAnOlderVersionsCopy:
    def test_the_engine_runs_it(self) -> None:
        read = Configuration.loads(ENGINE)
        assert {router.key for router in read.routers} == KEYS
        assert (read.passed_over, read.generation, read.uid) == ((), 7, "4f1c")
        by_key = {router.key: router for router in read.routers}
        assert by_key["elk", "IPv4"].password == "tan124"
        assert by_key["web", "IPv4"].tracked_interfaces == (("eth1", 50),)
        assert by_key["going", "IPv4"].release == "uid-going-6"
        assert read.health == {"web": Health(60)}

    def test_the_keeper_goes_on_with_it_without_the_api(self) -> None:
        saved = json.loads((OLDER / "node.json").read_text())
        accepted = restore(saved, Configuration.loads(ENGINE))
        assert accepted.routers.keys() == KEYS
        assert (accepted.generation, accepted.uid, accepted.refused) == (7, "4f1c", {})
        configuration = accepted.configuration({"web": Health(60)})
        # What a router speaks had no digest then; the keeper adds it and orders it anew.
        assert all(router.digest for router in configuration.routers)
        routers = tuple(dataclasses.replace(router, digest="") for router in configuration.routers)
        assert dataclasses.replace(configuration, routers=routers) == Configuration.loads(ENGINE)

    def test_its_document_is_taken_as_it_stands(self) -> None:
        accepted = accept(NODE, "API", Secrets(), restore(json.loads((OLDER / "node.json").read_text()), None))
        assert (accepted.ignored_fields, accepted.unreadable) == ((), ())
        assert accepted.routers.keys() >= KEYS - {("elk", "IPv4")}, "elk waits for its Secret"


class TestAnOlderVersionReadsOurs:
    """0.1.0 refuses a saved copy with a field that it does not know, and nothing else does."""

    def test_what_is_as_by_default_is_not_written(self) -> None:
        known = {name for router in json.loads(ENGINE)["routers"] for name in router}
        for router in json.loads(Configuration.loads(ENGINE).dumps())["routers"]:
            assert router.keys() <= known

    def test_nor_is_what_a_keeper_always_adds_and_a_roll_out_asks(self) -> None:
        """It stands beside the routers, and is read again from there."""
        known = {name for router in json.loads(ENGINE)["routers"] for name in router}
        asked = yaml.safe_load((OLDER / "floatingipnode.yaml").read_text())
        for entry in asked["spec"]["virtualRouters"]:
            entry["leave"] = {"requestID": "upgrade-new"}
        before = restore(json.loads((OLDER / "node.json").read_text()), Configuration.loads(ENGINE))
        ours = accept(asked, "API", Secrets(), before).configuration({"web": Health(60)})
        assert all(router.digest for router in ours.routers)
        assert any(router.leave for router in ours.routers)
        written = json.loads(ours.dumps())
        assert {name for router in written["routers"] for name in router} <= known
        assert Configuration.loads(ours.dumps()) == ours
        assert Configuration.from_json(written) == ours

    def test_the_document_keeps_its_form(self) -> None:
        accepted = restore(json.loads((OLDER / "node.json").read_text()), Configuration.loads(ENGINE))
        ours = {"format": 1, **save(accepted, "API", "n1")}
        theirs = json.loads((OLDER / "node.json").read_text())
        entries = [document["document"]["spec"].pop("virtualRouters") for document in (ours, theirs)]
        assert ours == theirs
        assert sorted(entries[0], key=str) == sorted(entries[1], key=str)


class TestANewerVersionsCopy:
    def test_what_is_not_known_is_passed_over_and_said(self) -> None:
        read = Configuration.loads(newer(color="red", shape={"of": "it"}))
        assert read == Configuration.loads(ENGINE)
        assert read.passed_over == (
            "routers[1].color is not known and ignored",
            "routers[1].shape is not known and ignored",
        )

    @pytest.mark.parametrize("changes", [{"transport": "Anycast"}, {"priority": 300}, {"addresses": 7}], ids=str)
    def test_a_router_that_cannot_be_read_does_not_take_the_others_with_it(self, changes: dict[str, Any]) -> None:
        read = Configuration.loads(newer(**changes))
        assert {router.key for router in read.routers} == KEYS - {("web", "IPv4")}
        (said,) = read.passed_over
        assert said.startswith(f"routers[1].{next(iter(changes))}: ")
        assert said.endswith("this router is left out")

    def test_nor_does_what_stands_beside_it(self) -> None:
        document = json.loads(ENGINE)
        document["beside"] = {"web/IPv4": {"digest": 7}, "elk/IPv4": {"color": "red"}, "gone/IPv4": {}}
        read = Configuration.loads(json.dumps(document).encode())
        assert {router.key for router in read.routers} == KEYS - {("web", "IPv4")}
        assert read.passed_over[0] == "routers[0].color is not known and ignored"
        assert Configuration.loads(json.dumps({**document, "beside": "odd"}).encode()) == Configuration.loads(ENGINE)

    def test_another_format_is_refused(self) -> None:
        with pytest.raises(ConfigurationError, match="format: 2"):
            Configuration.loads(json.dumps({**json.loads(ENGINE), "format": 2}).encode())

    def test_an_order_of_the_keeper_is_read_strictly(self) -> None:
        """Keeper and engine are of one image."""
        with pytest.raises(ConfigurationError, match=r"routers\[1\].color: unknown field"):
            Configuration.from_json(json.loads(newer(color="red")))

    def test_the_keepers_copy_may_say_more(self, tmp_path: Path) -> None:
        saved = json.loads((OLDER / "node.json").read_text())
        saved["color"] = "red"
        saved["document"]["spec"]["virtualRouters"][1]["vrrp"] = {"color": "red"}
        (tmp_path / "node.json").write_text(json.dumps(saved))
        (tmp_path / "engine.json").write_bytes(newer(color="red"))
        copies = SavedCopies(tmp_path)
        read = copies.read_node()
        assert read is not None
        accepted = restore(read, copies.read_configuration())
        assert accepted.routers.keys() == KEYS
        assert accepted.ignored_fields == ("spec.virtualRouters[1].vrrp.color",)
        assert not (tmp_path / "engine.json.broken").exists()
