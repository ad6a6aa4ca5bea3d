"""The shadow: what it tells, and that guard never waits for it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.cli import main
from agent.detect.detector import Detector
from agent.detect.settings import Settings, defaults
from agent.records import Event
from agent.sensors.simulated import Happening
from agent.shadow import BLIND, DISAGREES, ENDED, Shadow, Told
from agent.shadow_judge import QUIET_US, SETTLING_US, Comparison
from agent.shadow_store import KIND, ShadowStore
from agent.store.documents import Documents
from tests.agent.stories import BAY, cut, simulated, wired

S = 1_000_000


def event(t_us: int, name: str = "fault", **fields: Any) -> Event:
    return Event(event=name, bay="head", t_us=t_us, **fields)


@pytest.mark.parametrize(
    ("live", "shadow", "expected"),
    [
        pytest.param([], [], [], id="nothing"),
        pytest.param([event(5 * S)], [event(5 * S)], [], id="agree"),
        pytest.param(
            [event(5 * S, alarm=True, kind="BC")],
            [],
            ["bay head, in force / shadow: ALARM fault BC at 0.000 s / -"],
            id="the-shadow-sees-nothing",
        ),
        pytest.param(
            [event(5 * S)],
            [event(5 * S), event(5 * S + 300_000, "operate", element="50P")],
            ["bay head, in force / shadow: - / operate 50P at 0.300 s"],
            id="the-shadow-operates",
        ),
        pytest.param([event(1 * S)], [], [], id="while-it-settles-nothing-is-compared"),
    ],
)
def test_a_comparison(live: list[Event], shadow: list[Event], expected: list[str]) -> None:
    comparison = Comparison()
    comparison.settle(0)
    for each in live:
        comparison.live(each)
    for each in shadow:
        comparison.shadow(each)
    assert not list(comparison.at(5 * S + QUIET_US - 1))  # the story may go on
    found = list(comparison.at(20 * S))
    assert [each.detail for each in found] == expected
    assert not list(comparison.at(40 * S))  # told once


def test_a_story_without_end_is_compared_after_a_while() -> None:
    comparison = Comparison()
    told = []
    for k in range(100):
        comparison.live(event(5 * S + k * S))
        told += list(comparison.at(5 * S + k * S))
    assert len(told) >= 5


class Running:
    """A shadow with a process, fed as guard feeds it."""

    def __init__(self, **stated: Any) -> None:
        own = defaults(BAY)
        self.settings: dict[str, Settings] | None = {"head": replace(own, **stated)}
        self.shadow = Shadow(lambda: self.settings)
        self.told: list[Told] = self.shadow.follow()

    def play(self, *script: Happening, seconds: float) -> None:
        layout, samples = simulated(*script, seconds=seconds)
        detector: Detector = wired(layout)
        for block in cut(layout, samples, [20]):
            self.shadow.feed(detector, block, detector.feed(block))

    def until(self, reached: Callable[[], bool]) -> None:
        for _ in range(400):
            self.told += self.shadow.follow()
            if reached():
                return
            self.shadow._send(b"W{}")  # what waits goes with the next message
            time.sleep(0.05)
        raise AssertionError(self.told)

    def whats(self) -> list[str]:
        return [each.what for each in self.told]


def test_other_settings_disagree_and_the_log_can_say_how() -> None:
    running = Running(phase_pickup_amps=2500.0)
    faults = [Happening("fault", t, 0.1, kind="BC", amps=1500.0) for t in (0.5, 4.0)]
    running.play(*faults, seconds=8.0)
    running.until(lambda: DISAGREES in running.whats())
    (told,) = running.told  # the first fault came while it settled
    assert told.t_us == pytest.approx(4.02 * S, abs=0.02 * S)
    assert "ALARM fault BC" in told.detail
    running.shadow.stop()


def test_the_same_settings_agree() -> None:
    running = Running()
    running.play(Happening("fault", 2.5, 0.4, kind="ABC"), seconds=6.0)
    running.until(lambda: not running.shadow._waiting)
    time.sleep(0.3)
    running.told += running.shadow.follow()
    assert running.told == []
    assert running.shadow.dropped == 0
    running.shadow.stop()


def test_guard_never_waits_for_a_shadow_that_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.shadow.BUFFER_BYTES", 100_000)
    running = Running()
    process = running.shadow._process
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    layout, samples = simulated(seconds=4.0)
    detector = wired(layout)
    took = []
    for block in cut(layout, np.tile(samples, 3), [20]):
        begin = time.process_time()
        running.shadow.feed(detector, block, [])
        took.append(time.process_time() - begin)
    assert sorted(took)[len(took) * 9 // 10] < 0.001
    assert running.shadow.dropped > 100
    assert running.shadow._waiting_bytes <= 100_000
    running.told += running.shadow.follow()
    assert running.whats() == [BLIND]
    running.shadow.stop()
    assert process.returncode == -signal.SIGKILL


def test_a_process_that_dies_is_told_and_started_again_but_not_for_ever() -> None:
    running = Running()
    for _ in range(3):
        process = running.shadow._process
        assert process is not None
        process.kill()
        process.wait()
        running.told += running.shadow.follow()
    assert running.whats() == [ENDED] * 3
    assert running.shadow._process is None
    running.settings = None
    running.told = running.shadow.follow()
    running.settings = {"head": defaults(BAY)}  # others are put in: it is tried again
    running.told = running.shadow.follow()
    assert running.shadow._process is not None
    running.shadow.stop()


SITE = """
[site]
name = "hebin"
[device]
id = "ftu-7"
data_dir = "data"
[[sensor]]
name = "wire"
driver = "simulated"
[[bay]]
name = "head"
nominal_volts = 10000
frequency_hz = 50
earthing = "resonant"
rating_amps = 400
"""


def test_the_command_puts_it_in_shows_it_and_takes_it_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "site.toml").write_text(SITE)
    sheet = tmp_path / "sheet.toml"
    sheet.write_text("[head]\nphase_pickup_amps = 2500\n")

    def shadow(*words: object, status: int = 0) -> str:
        capsys.readouterr()
        site = ["--site", str(tmp_path / "site.toml")]
        assert main(["settings", "shadow", *map(str, words), *site]) == status
        return capsys.readouterr().out

    by = ("--author", "ops-2", "--reason", "study 14")
    store = ShadowStore(Documents(tmp_path / "data", KIND), [BAY])
    assert store.look() is None
    assert shadow("show") == "no shadow runs\n"
    shadow(sheet, status=2)  # by whom?
    shadow(sheet, *by)
    taken = store.look()
    assert taken is not None
    assert taken["head"].phase_pickup_amps == 2500.0
    assert store.look() is taken
    assert "head phase_pickup_amps: 880.0 A (default) -> 2500.0 A" in shadow("show")
    shadow("off", *by)
    assert store.look() is None
    assert shadow("off", *by) == "no shadow runs\n"
    sheet.write_text("[head]\nphase_pickup_amps = -1\n")
    shadow(sheet, *by, status=2)


def test_settling_is_longer_than_the_front_end_and_the_holds_need() -> None:
    own = defaults(BAY)
    assert 1000 * (own.live_hold_ms + 200) < SETTLING_US
