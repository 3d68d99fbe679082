"""Runs inside_a_guest.py in a guest: this machine's cgroups may have no memory limits of version 2."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab.guest import Guest
from lab.network import Lan

pytestmark = pytest.mark.usefixtures("uml")


def test_neither_container_takes_the_other_along(lan: Lan) -> None:
    guest = Guest.running_tests(lan, "guest", [Path(__file__).with_name("inside_a_guest.py")], memory="512M")
    guest.start()
    status = guest.wait(120)
    said = guest.log.read_text()
    assert status == 0, said
    assert "1 passed" in said
