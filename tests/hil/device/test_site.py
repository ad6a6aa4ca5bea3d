"""The site file of a device, as the product's own check reads it."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
import pytest

from hil.case import Recording
from hil.device.site import Terminal, compose, for_replay
from hil.instruments.contract import Pacing
from tests.hil.feeders import recording


class Wire:
    """An instrument that is only its text."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    def sensor(self) -> str:
        return f'[[sensor]]\nname = "{self._name}"\ndriver = "simulated"'

    def channels(self) -> str:
        return f'ia = "{self._name}.ia"\nua = "{self._name}.ua"\n'

    async def play(self, recording: Recording, start_us: int) -> Pacing:
        return Pacing(start_us, recording.length, 0, 0, 0)


def checked(path: Path) -> str:
    command = [sys.executable, "-m", "agent", "check", "--site", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.fixture
def terminals() -> list[Terminal]:
    names = ("head", "tail")
    return [Terminal.of(recording(name, onset_s=None), Wire(name)) for name in names]


def test_a_device_of_several_terminals_is_wired_without_a_finding(
    tmp_path: Path, terminals: list[Terminal]
) -> None:
    site = tmp_path / "site.toml"
    more = "[store]\nfree_floor_mb = 0\n"
    uplink = 'protocol = "5"'
    site.write_text(
        compose(terminals, node="ftu-1", broker="mqtt://host:1", uplink=uplink, more=more)
    )
    assert checked(site) == f"{site}: 2 bays, 2 sensors, nothing wrong\n"
    told = tomllib.loads(site.read_text())
    assert told["device"]["id"] == "ftu-1"
    assert told["uplink"] == {"broker": "mqtt://host:1", "protocol": "5"}
    bay = told["bay"][1]
    assert (bay["name"], bay["section"], bay["earthing"]) == ("tail", "s1", "isolated")
    assert (bay["nominal_volts"], bay["frequency_hz"], bay["rating_amps"]) == (10000, 50, 400)
    assert bay["channels"] == {"ia": "tail.ia", "ua": "tail.ua"}


def test_a_device_without_a_broker_has_no_uplink(tmp_path: Path, terminals: list[Terminal]) -> None:
    site = tmp_path / "site.toml"
    site.write_text(compose(terminals[:1], node="ftu-1"))
    assert checked(site) == f"{site}: 1 bays, 1 sensors, nothing wrong\n"
    assert "uplink" not in tomllib.loads(site.read_text())


def test_for_a_replay_the_bay_and_its_channels_are_enough() -> None:
    told = tomllib.loads(for_replay(recording("head", onset_s=None)))
    assert list(told) == ["bay"]
    (bay,) = told["bay"]
    assert bay["name"] == "head"
    assert bay["channels"] == {role: role for role in ("ia", "ib", "ic", "ua", "ub", "uc")}


def test_a_replay_is_told_where_the_switch_has_its_contact() -> None:
    opened = recording("head", onset_s=None)
    opened = replace(opened, contacts={"52a": np.zeros(opened.length, dtype=bool)})
    (bay,) = tomllib.loads(for_replay(opened))["bay"]
    assert bay["channels"]["switch"] == "52a"
