"""The switch's contact on its way to detection: of a record, or of a source of samples."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from agent import app, replay
from agent.records import Channel, Layout
from agent.sensors import comtrade
from agent.sensors.channels import parse_map
from agent.site import load
from agent.wiring import taps

ROOT = Path(__file__).parents[2]
MAP = "ia=ia,ib=ib,ic=ic,ua=ua,ub=ub,uc=uc,u_load_a=u_load_a,u_load_b=u_load_b,u_load_c=u_load_c"


def test_a_status_channel_of_a_record_becomes_the_last_of_its_channels() -> None:
    record = comtrade.read(ROOT / "hil/golden/trapped-charge/F1-head.cfg")
    asked = replay.Replay(mapping=parse_map(f"{MAP},switch=52a"))
    case = replay.understood(record, asked, lambda _: None)
    place = case.uses["switch"].index
    assert case.record.layout.channels[place] == Channel("52a", "")
    assert place == len(record.layout.channels)
    np.testing.assert_array_equal(case.record.counts[place], record.statuses[0])
    np.testing.assert_array_equal(case.record.counts[:place], record.counts)
    assert taps(case.record.layout, case.uses, case.bay)["switch"].scale == 1.0


SITE = """
[site]
name = "bench"
[device]
id = "t1"
data_dir = "{data}"
[[sensor]]
name = "s"
driver = "simulated"
{more}
[[bay]]
name = "head"
section = "S1"
nominal_volts = 10000
frequency_hz = 50
earthing = "isolated"
rating_amps = 400
[bay.channels]
ia = "s.ia"
switch = "{switch}"
"""


def wired(tmp_path: Path, switch: str, sensor: str = "s") -> list[list[str]]:
    """Roles of each bay that a source with a current and a contact feeds."""
    path = tmp_path / "site.toml"
    more = '[[sensor]]\nname = "meter"\ndriver = "simulated"' if "meter" in switch else ""
    path.write_text(SITE.format(data=tmp_path / "data", switch=switch, more=more))
    layout = Layout(sensor, (Channel("ia", "A"), Channel("K1", "")), Fraction(1600))
    detector = app.wire(load(path), layout)
    assert detector._samples is not None
    return [sorted(own) for own in detector._samples._own]


def test_a_contact_of_the_source_that_samples_the_bay_is_followed(tmp_path: Path) -> None:
    assert wired(tmp_path, "s.K1") == [["ia", "switch"]]


def test_a_contact_with_a_source_of_its_own_makes_no_bay_there(tmp_path: Path) -> None:
    assert wired(tmp_path, "meter.K1") == [["ia"]]
    assert wired(tmp_path, "meter.K1", sensor="meter") == []


def test_a_contact_that_the_source_does_not_deliver_is_left_out(tmp_path: Path) -> None:
    assert wired(tmp_path, "s.K9") == [["ia"]]
