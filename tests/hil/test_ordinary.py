"""A few minutes of ordinary load through the device's replay."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil import ordinary
from hil.plant import catalogue, golden


@pytest.fixture
def solved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Committed cases, so that nothing is solved here."""
    monkeypatch.setattr(catalogue, "case", lambda *_, **__: golden.load("quiet"))
    monkeypatch.setattr(ordinary, "RATE_HZ", _rate())
    monkeypatch.setattr(ordinary, "TERMINALS", tuple(golden.load("quiet").recordings)[:1])


def _rate() -> int:
    return next(iter(golden.load("quiet").recordings.values())).rate_hz


@pytest.mark.usefixtures("solved")
def test_load_that_comes_and_goes_is_told_of_by_nobody() -> None:
    came = ordinary.hour(3, seconds=130.0, transients=3)
    assert came.seconds == pytest.approx(130, rel=0.2)
    assert (dict(came.told), came.alarms) == ({}, ())


@pytest.mark.usefixtures("solved")
def test_an_alarm_of_a_fault_is_counted_and_other_words_are_not(tmp_path: Path) -> None:
    device = tmp_path / "device"
    said = (
        '{"record": "case0", "event": "fault", "alarm": true, "kind": "AG", "t": 1.5}\n'
        '{"record": "case0", "event": "dip", "alarm": false, "t": 2.5}\n'
    )
    device.write_text(f"#!/bin/sh\ncat <<'END'\n{said}END\n")
    device.chmod(0o755)
    came = ordinary.hour(3, seconds=130.0, transients=3, command=[str(device)])
    assert dict(came.told) == {"fault": 1, "dip": 1}
    assert [alarm["record"] for alarm in came.alarms] == ["minute 0"]
