"""Runs inside_a_guest.py in a guest with a kernel of its own: one boot for all of its tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab.guest import Guest
from lab.network import Lan

pytestmark = pytest.mark.usefixtures("uml")


def test_links_that_this_machines_kernel_may_lack(lan: Lan) -> None:
    guest = Guest.running_tests(lan, "guest", [Path(__file__).with_name("inside_a_guest.py")], memory="512M")
    guest.start()
    status = guest.wait(120)
    said = guest.log.read_text()
    assert status == 0, said
    assert "3 passed" in said
