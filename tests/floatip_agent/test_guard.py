"""The guard as a process: how it starts children again, and how it leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from floatip_agent.configuration import Configuration, RouterConfiguration
from floatip_agent.guard import _Pulse, _Restarts
from lab.network import Host, Lan
from lab.waiting import throughout, until
from wire.engine import EngineAgent

VIP = "10.9.0.100"
ROUTER = RouterConfiguration("elk", "IPv4", 51, (f"{VIP}/32",), 200, advertisement_interval=100_000_000)
PROGRAM = """
import sys
from pathlib import Path
from floatip_agent.guard import Guard, GuardOptions
state, run, leave, *keeper = sys.argv[1:]
sys.exit(Guard(GuardOptions(Path(state), Path(run), float(leave), keeper)).run())
"""


class Guarded:
    """A guard whose keeper is a script of the test, which writes what it sees to `heard`."""

    def __init__(self, host: Host, keeper: str, *, leave: float = 1.0, serves: bool = True) -> None:
        self.host = host
        self.state, self.run = host.folder / "state", host.folder / "run"
        self.heard, self.log = host.folder / "heard", host.folder / "guard.log"
        self.state.mkdir()
        self.heard.touch()
        if serves:
            (self.state / "engine.json").write_bytes(Configuration((ROUTER,)).dumps())
        script = f"import os, signal, sys, time\nsay = open({str(self.heard)!r}, 'ab', buffering=0).write\n{keeper}"
        command: list[str | Path] = [
            sys.executable,
            "-c",
            PROGRAM,
            self.state,
            self.run,
            str(leave),
            sys.executable,
            "-c",
            script,
        ]
        self.process = host.popen(command, log=self.log)

    @property
    def words(self) -> list[str]:
        return self.heard.read_text().split()

    @property
    def engine(self) -> int:
        """The child that is a fork of the guard, with its command line; 0 while there is none."""
        own = Path(f"/proc/{self.process.pid}/cmdline").read_bytes()
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return next((int(pid) for pid in children if Path(f"/proc/{pid}/cmdline").read_bytes() == own), 0)

    def wait_until_it_holds(self) -> None:
        until(lambda: self.host.holds(VIP), 5, f"the engine serves; {self.log.read_text()}")


STAYS = """
def leave(*_):
    say(b"terminated ")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
signal.signal(signal.SIGHUP, lambda *_: say(b"reload "))
say(b"started ")
while True: time.sleep(1)
"""


@pytest.mark.linux
def test_a_keeper_that_dies_is_started_again_and_the_address_stays(lan: Lan) -> None:
    host = lan.host("n1", "10.9.0.1/24")
    guarded = Guarded(host, "say(b'%d ' % os.getpid())\ntime.sleep(60)")
    guarded.wait_until_it_holds()
    engine = guarded.engine
    for count in (1, 2):
        until(lambda count=count: len(guarded.words) == count, 3, "a keeper")  # type: ignore[misc]
        os.kill(int(guarded.words[-1]), signal.SIGKILL)
    until(lambda: len(guarded.words) == 3, 3, "a third keeper")
    assert host.holds(VIP)
    assert guarded.engine == engine
    assert guarded.log.read_text().count("the keeper ended with -9; it is started again") == 2


@pytest.mark.linux
def test_sighup_goes_to_the_keeper(lan: Lan) -> None:
    guarded = Guarded(lan.host("n1", "10.9.0.1/24"), STAYS)
    until(lambda: guarded.words == ["started"], 3, "the keeper runs")
    guarded.process.send_signal(signal.SIGHUP)
    until(lambda: guarded.words == ["started", "reload"], 3, "the keeper heard it")
    guarded.wait_until_it_holds()


@pytest.mark.linux
def test_at_sigterm_the_engine_leaves_first_and_then_the_keeper_is_told(lan: Lan) -> None:
    """The keeper writes the last status: it must still see the engine's last words."""
    host = lan.host("n1", "10.9.0.1/24")
    looks = STAYS.replace(
        'say(b"terminated ")',
        f'import subprocess; say(b"held " if "{VIP}" in subprocess.getoutput("ip address") else b"free ")',
    )
    guarded = Guarded(host, looks)
    guarded.wait_until_it_holds()
    guarded.process.terminate()
    assert guarded.process.wait(timeout=5) == 0
    assert guarded.words == ["started", "free"]
    assert not (guarded.run / "engine.sock").exists()


@pytest.mark.linux
def test_an_engine_that_does_not_leave_is_ended_and_its_addresses_too(lan: Lan) -> None:
    host = lan.host("n1", "10.9.0.1/24")
    guarded = Guarded(host, STAYS, leave=0.5)
    guarded.wait_until_it_holds()
    os.kill(guarded.engine, signal.SIGSTOP)
    start = time.monotonic()
    guarded.process.terminate()
    assert guarded.process.wait(timeout=5) == 0
    assert 0.5 <= time.monotonic() - start < 2
    assert not host.holds(VIP)
    assert "the engine did not leave in time and is ended" in guarded.log.read_text()


@pytest.mark.linux
def test_an_engine_that_hangs_is_ended_and_another_serves(lan: Lan) -> None:
    host = lan.host("n1", "10.9.0.1/24")
    guarded = Guarded(host, STAYS)
    guarded.wait_until_it_holds()
    hung = guarded.engine
    os.kill(hung, signal.SIGSTOP)
    until(lambda: not host.holds(VIP), 5, "its addresses end by themselves")
    until(lambda: guarded.engine not in {0, hung}, 10, "another engine")
    guarded.wait_until_it_holds()
    assert "the engine has not beaten for 5 s and is ended" in guarded.log.read_text()


@pytest.mark.linux
def test_an_engine_that_was_paused_with_its_guard_goes_on(lan: Lan) -> None:
    """As a frozen cgroup or a paused machine does it: the guard's own absence is no silence of the engine."""
    guarded = Guarded(lan.host("n1", "10.9.0.1/24"), STAYS)
    guarded.wait_until_it_holds()
    engine = guarded.engine
    for process in (guarded.process.pid, engine):
        os.kill(process, signal.SIGSTOP)
    time.sleep(7)
    os.kill(guarded.process.pid, signal.SIGCONT)
    time.sleep(0.5)
    os.kill(engine, signal.SIGCONT)
    throughout(lambda: guarded.engine == engine, 6, "the same engine")
    guarded.wait_until_it_holds()


@pytest.mark.linux
def test_an_engine_that_has_only_begun_leaves_too(lan: Lan) -> None:
    """A signal before it listens to signals is not lost."""
    guarded = Guarded(lan.host("n1", "10.9.0.1/24"), STAYS, leave=5)
    while not guarded.engine:
        time.sleep(0.0005)
    start = time.monotonic()
    os.kill(guarded.engine, signal.SIGTERM)
    guarded.process.terminate()
    assert guarded.process.wait(timeout=10) == 0
    assert time.monotonic() - start < 3
    assert "did not leave in time" not in guarded.log.read_text()


@pytest.mark.linux
def test_the_keeper_ends_when_the_guard_is_killed(lan: Lan) -> None:
    """Alone it would go on renewing the agent's Lease, and a second one would come beside it."""
    guarded = Guarded(lan.host("n1", "10.9.0.1/24"), STAYS)
    guarded.wait_until_it_holds()
    os.kill(guarded.process.pid, signal.SIGKILL)
    until(lambda: guarded.words == ["started", "terminated"], 2, "the keeper is told")
    until(lambda: not guarded.host.processes(), 2, "nothing is left running")


@pytest.mark.linux
def test_a_reload_does_not_end_an_agent_that_waits(lan: Lan) -> None:
    host = lan.host("n1", "10.9.0.1/24")
    Guarded(host, STAYS).wait_until_it_holds()
    second = EngineAgent(host, folder="second")
    second.start()
    until(lambda: "another agent runs" in second.log.read_text(), 3, "it waits")
    os.kill(second.guard, signal.SIGHUP)
    throughout(lambda: second.process.poll() is None, 1.2, "it waits on")
    assert second.stop() == 0


@pytest.mark.linux
def test_a_saved_copy_that_cannot_be_read_is_said(lan: Lan) -> None:
    agent = EngineAgent(lan.host("n1", "10.9.0.1/24"))
    (agent.state_dir / "engine.json").unlink()
    (agent.state_dir / "engine.json").mkdir()
    agent.start()
    until(agent.picture, 3, "the engine runs")
    assert "cannot be read: Is a directory" in agent.log.read_text()


@pytest.mark.linux
@pytest.mark.parametrize("seconds", ["-1", "nan", "inf", "soon"])
def test_a_leave_timeout_that_is_none_is_refused(lan: Lan, seconds: str) -> None:
    agent = EngineAgent(lan.host("n1", "10.9.0.1/24"))
    agent._command.append(f"--leave-timeout={seconds}")
    agent.start()
    assert agent.process.wait(timeout=3) == 2
    assert f"invalid number of seconds value: '{seconds}'" in agent.log.read_text()


@pytest.mark.linux
def test_a_keeper_that_cannot_use_its_document_ends_the_agent_while_nothing_is_served(lan: Lan) -> None:
    guarded = Guarded(lan.host("n1", "10.9.0.1/24"), "sys.exit(2)", serves=False)
    assert guarded.process.wait(timeout=5) == 2
    until(lambda: not guarded.host.processes(), 2, "nothing is left running")


@pytest.mark.linux
def test_the_same_keeper_does_not_take_an_address_away_that_is_served(lan: Lan) -> None:
    guarded = Guarded(lan.host("n1", "10.9.0.1/24"), "say(b'tried ')\nsys.exit(2)")
    until(lambda: len(guarded.words) >= 3, 5, "it is tried again")
    guarded.wait_until_it_holds()
    assert guarded.process.poll() is None


@pytest.mark.linux
def test_the_keeper_has_no_real_time_priority(lan: Lan) -> None:
    guarded = Guarded(
        lan.host("n1", "10.9.0.1/24"), "say(b'%d-%d ' % (os.sched_getscheduler(0), os.nice(0)))\ntime.sleep(60)"
    )
    until(lambda: guarded.words, 3, "the keeper runs")
    assert guarded.words == [f"{os.SCHED_OTHER}-0"]


@pytest.mark.linux
def test_folders_and_socket_are_the_owners_only(lan: Lan) -> None:
    guarded = Guarded(lan.host("n1", "10.9.0.1/24"), STAYS)
    guarded.wait_until_it_holds()
    assert guarded.run.stat().st_mode & 0o777 == 0o700
    assert (guarded.run / "engine.sock").stat().st_mode & 0o777 == 0o600


def test_the_first_restart_is_at_once_and_a_row_of_deaths_is_slowed_down() -> None:
    restarts = _Restarts()
    delays = []
    for _ in range(12):
        restarts.started()
        restarts.died()
        delays.append(restarts.start_at - time.monotonic())
    assert delays[0] <= 0
    assert [round(delay, 1) for delay in delays[1:]] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0, 10.0, 10.0]


def test_a_child_that_ran_for_long_is_started_at_once() -> None:
    restarts = _Restarts()
    for _ in range(5):
        restarts.started()
        restarts.died()
    restarts.started_at = time.monotonic() - 11
    restarts.died()
    assert restarts.start_at <= time.monotonic()


class TestPulse:
    def test_a_beat_each_second_is_enough_and_silence_is_seen_after_five(self) -> None:
        pulse = _Pulse(0.0)
        for second in range(1, 100):
            pulse.beat(second - 0.5)
            assert not pulse.is_lost(second)
        assert [pulse.is_lost(99 + silent) for silent in range(1, 7)] == [False, False, False, False, True, True]

    def test_silence_while_the_guard_did_not_look_does_not_count(self) -> None:
        pulse = _Pulse(0.0)
        assert not pulse.is_lost(1.0)
        assert not pulse.is_lost(61.0)
        assert [pulse.is_lost(61 + silent) for silent in range(1, 7)] == [False] * 5 + [True]


def test_the_engine_process_carries_no_kubernetes_and_no_event_loop() -> None:
    """A node's engine stays small: what it loads is its memory, and its time to start again."""
    heavy = "asyncio aiohttp pydantic yaml kubernetes kopf pyroute2 scapy prometheus_client"
    script = f"import sys, floatip_agent.guard; print([name for name in {heavy.split()} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-P", "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {script}"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stdout.strip() == "[]"


def test_a_newer_versions_saved_copy_is_served_and_what_is_not_known_of_it_is_said(lan: Lan) -> None:
    """Rolled back while the API is away: the saved copy is all there is."""
    host = lan.host("n1", "10.9.0.1/24")
    agent = EngineAgent(host, ROUTER)
    saved = agent.state_dir / "engine.json"
    document = json.loads(saved.read_text())
    document["routers"][0]["color"] = "red"
    document["routers"].append({**document["routers"][0], "name": "other", "transport": "Anycast"})
    saved.write_text(json.dumps(document))
    agent.start()
    agent.wait_for("Active")
    assert host.holds(VIP)
    assert "routers[0].color is not known and ignored" in agent.log.read_text()
    assert "routers[1].transport: " in agent.log.read_text()
    assert saved.exists(), "not set aside"
