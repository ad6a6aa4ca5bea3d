from __future__ import annotations

from pathlib import Path

import pytest

from agent.detect import settings
from agent.errors import SiteError
from tests.agent.detect.feeder import BAY, RATING


def test_defaults_follow_from_the_rating() -> None:
    made = settings.defaults(BAY)
    assert made.phase_pickup_amps == pytest.approx(2.2 * RATING)
    assert made.residual_pickup_amps == pytest.approx(0.3 * RATING)


def test_a_file_moves_what_it_states_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("[feeder]\nphase_pickup_amps = 900\n")
    made = settings.load(path, (BAY,))["feeder"]
    assert made.phase_pickup_amps == 900
    assert made.residual_pickup_amps == settings.defaults(BAY).residual_pickup_amps


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("[other]\nphase_pickup_amps = 1", "no such bay; expected one of feeder"),
        ("[feeder]\ncolour = 1", "colour: unknown"),
        ("[feeder]\nphase_pickup_amps = -1", "expected more than 0"),
        ("[feeder]\nphase_pickup_amps = nan", "expected more than 0"),
        ("[feeder]\nphase_pickup_amps = true", "expected a number"),
        ("feeder = 3", "expected a table"),
        ("[feeder", "is not TOML"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, finding: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    with pytest.raises(SiteError, match=finding):
        settings.load(path, (BAY,))


def test_all_findings_come_at_once(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("[feeder]\na = 1\nphase_pickup_amps = 0\n[x]\n")
    with pytest.raises(SiteError) as caught:
        settings.load(path, (BAY,))
    assert len(caught.value.findings) == 3
