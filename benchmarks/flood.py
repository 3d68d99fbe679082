"""`PYTHONPATH=tests python -m benchmarks.flood` (root): how late advertisements leave while a stranger floods the LAN.

10 s of 5,000 packets a second: another router's advertisements, and this router's with a wrong TTL, a wrong checksum, and cut off.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from floatip_agent.configuration import RouterConfiguration
from lab import hostile
from lab.network import Lan
from wire.engine import EngineAgent

RATE, SECONDS = 5000, 10
_TICK = os.sysconf("SC_CLK_TCK")


def main() -> None:
    for period in (1000, 100, 10):
        with Lan("flood") as lan:
            _show(lan, period)


def _show(lan: Lan, period: int) -> None:
    host, attacker = lan.host("n1", "10.9.0.1/24"), lan.host("stranger", "10.9.0.66/24")
    router = RouterConfiguration("elk", "IPv4", 51, ("10.9.0.100/32",), 200, advertisement_interval=period * 1_000_000)
    agent = EngineAgent(host, router)
    agent.start()
    agent.wait_for("Active", seconds=6)
    before, spent, started = agent.lateness(), _cpu(agent.engine), time.monotonic()
    attacker.popen([sys.executable, "-m", hostile.__name__, "51", str(RATE), str(SECONDS)], env=dict(os.environ)).wait()
    took = time.monotonic() - started
    share = (_cpu(agent.engine) - spent) / took
    after, state = agent.lateness(), agent.router()
    late = {bound: count - before[bound] for bound, count in after.items() if count > before[bound]}
    assert state is not None
    print(f"period {period} ms, {RATE * SECONDS / took:.0f} packets/s: engine used {share:.1%} of a CPU; {state.state}")
    print(f"  advertisements by lateness, at most s: {late}; dropped: {dict(state.dropped)}")
    agent.stop()


def _cpu(process: int) -> float:
    """Seconds of CPU time."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


if __name__ == "__main__":
    main()
