"""Pictures of records: what stands in them, and that nothing in a name or a folder upsets them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib import font_manager

from agent import plot
from agent.errors import UsageError
from agent.records import Channel, Event, Layout
from agent.sensors import comtrade
from agent.sensors.channels import ChannelUse
from agent.site import Bay
from agent.traces import Case
from tests.agent.sensors.recordings import Written

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BAY = Bay(
    name="main",
    section="S1",
    nominal_volts=10_000.0,
    frequency_hz=50,
    earthing="resonant",
    rating_amps=400.0,
)
ROLES = ("ia", "ib", "ic", "ua", "ub", "uc")
FAULT = Event(
    event="fault",
    bay="main",
    t_us=112_000,
    onset_us=100_000,
    alarm=True,
    kind="BC",
    element="50P",
    direction="forward",
)
CLEARED = Event(event="fault_cleared", bay="main", t_us=300_000, onset_us=100_000)


def recorded(seconds: float = 0.4, names: Sequence[str] = ROLES) -> comtrade.Record:
    """Sines of 100 A and 6 kV, amplitude, at 1600 Hz; a trigger at 0.1 s, a switch that moves."""
    t = np.arange(round(1600 * seconds)) / 1600
    waves = [size * np.sin(2 * np.pi * (50 * t - k / 3)) for size in (100, 6000) for k in range(3)]
    states = np.stack([t > 0.2, t > 9.0]).astype(np.int64)
    record = Written(np.rint(waves).astype(np.int64), states, scales=["1"] * 6).parsed()
    units = "AAAVVV"
    layout = Layout(
        "x", tuple(Channel(n, u) for n, u in zip(names, units, strict=True)), record.layout.rate_hz
    )
    return replace(record, layout=layout)


def case(record: comtrade.Record, roles: Sequence[str] = ROLES) -> Case:
    return Case(record, {role: ChannelUse(role, k) for k, role in enumerate(roles)}, BAY)


def drawn(record: comtrade.Record, events: Sequence[Event] = ()) -> Figure:
    return plot.figure(case(record), events, plot._Legible(["DejaVu Sans"]))


def size(png: bytes) -> tuple[int, int]:
    """Width and height, from the head that every PNG has."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def words(picture: Figure) -> list[str]:
    inside = [text.get_text().strip() for axis in picture.axes for text in axis.texts]
    return [*inside, *(text.get_text() for text in picture.texts)]


def instants(picture: Figure, panel: int, column: int = 0) -> list[float]:
    """Where upright lines stand in a panel. [s]"""
    columns = 2 if len(picture.axes) > 6 else 1
    axis = picture.axes[panel * columns + column]
    lines = [np.asarray(line.get_xdata(), dtype=np.float64) for line in axis.lines]
    return sorted({float(x[0]) for x in lines if len(x) == 2 and x[0] == x[1]})


def test_every_quantity_has_its_panel_with_unit_and_names() -> None:
    picture = drawn(recorded())

    assert [axis.get_ylabel() for axis in picture.axes] == [
        "",
        "phase currents\n[A]",
        "residual current\n[A]",
        "phase voltages\n[kV]",
        "neutral voltage\n[V]",
        "",
    ]
    legends = [axis.get_legend() for axis in picture.axes]
    names = [[text.get_text() for text in legend.get_texts()] for legend in legends if legend]
    assert names[0] == ["ia", "ib", "ic"]
    assert names[1] == ["3I0 = ia + ib + ic"]
    assert [text.get_text() for text in picture.axes[-1].get_yticklabels()] == ["S0"]


def test_samples_and_their_rms_are_what_is_drawn() -> None:
    record = recorded()
    lines = drawn(record).axes[1].lines

    samples = np.asarray(lines[0].get_ydata(), dtype=np.float64)
    np.testing.assert_array_equal(samples, record.counts[0])
    envelope = np.asarray(lines[3].get_ydata(), dtype=np.float64)
    assert np.nanmean(envelope) == pytest.approx(100 / 2**0.5, rel=0.01)


def test_of_more_samples_than_dots_the_extremes_are_drawn() -> None:
    long = recorded(60.0)
    long.counts[0, 20_001] = 500  # one sample of 96,000
    long.counts[:, 30_000:30_400] = np.nan

    wave = drawn(long).axes[1].lines[0]

    t, values = (np.asarray(x, dtype=np.float64) for x in (wave.get_xdata(), wave.get_ydata()))
    assert len(values) <= 48_000
    assert np.nanmax(values) == 500
    assert np.nanmin(values) == -100
    assert t[np.nanargmax(values)] == pytest.approx(20_001 / 1600, abs=0.01)
    assert (np.diff(t) >= 0).all()


def test_states_are_bars_from_edge_to_edge() -> None:
    (bar,) = drawn(recorded()).axes[-1].collections

    (path,) = bar.get_paths()
    corners = np.asarray(path.vertices)
    high = corners[corners[:, 1] > 0.8, 0]
    assert (high.min(), high.max()) == pytest.approx((321 / 1600, 639 / 1600))


def test_onset_decision_and_clearance_stand_in_every_panel_with_their_words() -> None:
    record = replace(recorded(), trigger_us=150_000)

    picture = drawn(record, [FAULT, CLEARED])

    for panel in range(1, 6):
        assert instants(picture, panel) == pytest.approx([0.1, 0.112, 0.15, 0.3])
    told = words(picture)
    assert "ALARM fault BC 50P forward after 12.0 ms" in told
    assert "fault cleared" in told
    assert "trigger" in told
    assert any("2 events, 1 alarm" in line for line in told)


def test_a_long_record_gets_a_close_look_at_its_first_fault() -> None:
    picture = drawn(recorded(4.0), [FAULT, CLEARED])

    assert len(picture.axes) == 12
    assert picture.axes[0].get_xlim() == pytest.approx((0, 4.0), abs=0.001)
    begin, end = picture.axes[1].get_xlim()
    assert (begin, end) == pytest.approx((0.1 - 0.06, 0.3 + 0.1))


def test_a_quiet_long_record_has_one_column_and_says_so() -> None:
    picture = drawn(recorded(4.0))

    assert len(picture.axes) == 6
    assert any("no events, no alarms" in line for line in words(picture))


def test_residual_noise_does_not_fill_its_panel() -> None:
    residual = drawn(recorded()).axes[2]

    assert np.abs(np.asarray(residual.lines[0].get_ydata())).max() <= 1  # rounding of three counts
    assert residual.get_ylim()[1] == pytest.approx(1.45 * 0.02 * 100, rel=0.01)


def test_a_hundred_events_are_drawn_and_some_of_them_named() -> None:
    many = [replace(FAULT, t_us=3000 * k, onset_us=None) for k in range(1, 101)]

    picture = drawn(recorded(), many)

    assert len(instants(picture, 1)) == 101  # and the trigger of the record
    assert "and 86 more" in words(picture)


@pytest.mark.parametrize(
    "name", ["A相电流", "\U0001f600", "$I_0^{", "_ia", "Ток фазы A", "x" * 128, "ia\u0600"]
)
def test_no_name_upsets_a_picture(name: str) -> None:
    record = replace(
        recorded(names=[name, *ROLES[1:]]), station=name, device=name, stem=name, start=name
    )

    width, height = size(plot.png(case(record), [FAULT]))

    assert width > 1000
    assert height > 600


def test_a_name_without_a_font_falls_back_to_the_role() -> None:
    legible = plot._Legible(["DejaVu Sans"])
    picture = plot.figure(case(recorded(names=["A相电流", *ROLES[1:]])), [], legible)

    legend = picture.axes[1].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["ia", "ib", "ic"]
    assert legible("Ток A相") == "Ток A?"


def test_a_chinese_font_is_taken_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    there = ["DejaVu Sans", "SimHei", "WenQuanYi Zen Hei"]
    monkeypatch.setattr(font_manager, "get_font_names", lambda: there)
    assert plot._fonts() == ["DejaVu Sans", "WenQuanYi Zen Hei"]

    monkeypatch.setattr(font_manager, "get_font_names", lambda: there[:1])
    assert plot._fonts() == ["DejaVu Sans"]


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(recorded(1 / 1600), id="one-sample"),
        pytest.param(recorded(0.01), id="half-a-cycle"),
        pytest.param(replace(recorded(), counts=recorded().counts * 0), id="all-zero"),
        pytest.param(replace(recorded(), counts=recorded().counts * np.nan), id="all-missing"),
        pytest.param(replace(recorded(), counts=recorded().counts * 1e30), id="absurdly-large"),
    ],
)
def test_any_record_has_a_picture(record: comtrade.Record) -> None:
    assert size(plot.png(case(record), [FAULT, CLEARED]))[0] > 1000


def test_pictures_have_the_stem_and_none_is_lost(tmp_path: Path) -> None:
    draw = plot.into(tmp_path / "deep" / "er")

    for stem in ("x", "x-2", "x"):
        draw(case(replace(recorded(0.05), stem=stem)), [])

    names = sorted(path.name for path in (tmp_path / "deep" / "er").iterdir())
    assert names == ["x-2.png", "x-3.png", "x.png"]


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(UsageError, match=r"--plot: .*file.*; expected a folder to write to"):
        plot.into(tmp_path / "file")
    draw = plot.into(tmp_path / "folder")
    (tmp_path / "folder").rmdir()
    (tmp_path / "folder").write_text("")
    with pytest.raises(UsageError, match=r"--plot: .*x\.png: "):
        draw(case(replace(recorded(0.05), stem="x")), [])
