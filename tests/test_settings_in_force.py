"""A change of the settings on a real agent: what judges, and what a reader of the log learns."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.store import cbor, entry
from agent.store.journal import Stored, export

SITE = """
[site]
name = "hebin"
[device]
id = "ftu-7"
data_dir = "data"
[[sensor]]
name = "wire"
driver = "simulated"
load_amps = 100
repeat_s = 1.0
script = [{ what = "fault", kind = "BC", amps = 1500, at_s = 0.5, for_s = 0.2 }]
[[bay]]
name = "head"
nominal_volts = 10000
frequency_hz = 50
earthing = "resonant"
rating_amps = 400
"""


class Agent:
    """`ftu-agent run` on a feeder that has a fault of 1500 A every second."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "site.toml").write_text(SITE)
        self._words = [sys.executable, "-m", "agent"]
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        command = [*self._words, "run", "--site", "site.toml"]
        self._process = subprocess.Popen(
            command, cwd=self.folder, stderr=subprocess.DEVNULL, text=True
        )

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=10)
            self._process = None

    def commit(self, pickup_amps: float) -> None:
        keys = ("phase_pickup_amps", "negative_start_amps")
        text = "".join(f"{key} = {pickup_amps}\n" for key in keys)
        (self.folder / "sheet.toml").write_text(f"[head]\n{text}")
        words = ["settings", "commit", "sheet.toml", "--site", "site.toml"]
        words += ["--author", "ops-2", "--reason", "study 14"]
        subprocess.run([*self._words, *words], cwd=self.folder, check=True, capture_output=True)

    def told(self) -> list[dict[str, Any]]:
        """Faults and changes of settings, in the order of the log."""
        records = [
            entry.as_dict(cbor.loads(item.payload))
            for lane, item in export(self.folder / "data/log")
            if lane == "a" and isinstance(item, Stored)
        ]
        return [r for r in records if r["type"] == "audit" or r["event"] == "fault"]

    def await_told(self, what: str, true: Callable[[list[dict[str, Any]]], object]) -> None:
        deadline = time.monotonic() + 30
        while not ((self.folder / "data/log/epoch").exists() and true(self.told())):
            assert time.monotonic() < deadline, f"waited for {what}: {self.told()}"
            time.sleep(0.05)


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    made = Agent(tmp_path)
    yield made
    made.stop()


def kinds(told: list[dict[str, Any]]) -> str:
    """f for a fault, a digit for the version that came into force."""
    return "".join(
        "f" if record["type"] == "event" else record["detail"].removeprefix("version ")[0]
        for record in told
    )


def test_a_commit_reaches_a_running_agent_between_two_faults_and_holds_after_a_restart(
    agent: Agent,
) -> None:
    agent.start()
    agent.await_told("a fault by the default of 880 A", lambda told: "f" in kinds(told))
    agent.commit(5000)
    agent.await_told("version 1", lambda told: kinds(told).endswith("1"))
    agent.commit(900)
    agent.await_told("a fault by version 2", lambda told: kinds(told).endswith("f"))
    agent.stop()
    agent.start()
    agent.await_told("version 2 once more", lambda told: kinds(told).count("2") == 2)
    before, after = kinds(agent.told()).split("12", 1)
    assert set(before) == {"f"}  # and not one between version 1, beyond any fault, and version 2
    assert after[0] == "f"
    (first, *_) = [record for record in agent.told() if record["type"] == "audit"]
    assert (first["what"], first["who"]) == ("settings_in_force", "ops-2")
    assert first["detail"].endswith(" in force, made from 0: study 14")
