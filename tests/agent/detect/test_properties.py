"""What must change nothing: the same network seen at another scale, turned, later, in other pieces.

Golden recordings and synthetic short circuits; events are compared by their words, instants in
samples and quantities, so that a change that should be without effect shows wherever it has one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.detect.detector import Detector, Tap
from agent.detect.settings import Settings, defaults
from agent.records import Block, Channel, Event, Layout
from agent.site import Bay
from hil.plant import golden
from tests.agent.detect.feeder import BAY as FEEDER
from tests.agent.detect.feeder import healthy_volts, shorted, three_phase, times

Array = npt.NDArray[np.float64]
Rows = Mapping[str, Array]

GOLDEN = (
    "short-bc", "short-abg", "short-abc", "saturated-bc", "evolving", "reclosed", "sag",
    "inrush-bank", "motor-start", "earth-isolated", "earth-resonant", "load-step", "supply-lost",
)  # fmt: skip
FAST = ("fault", "fault_cleared", "inrush", "operate", "voltage_loss", "voltage_restored")
TURNED = str.maketrans("ABC", "BCA")
RENAMED = {"AC": "CA", "BA": "AB", "CB": "BC"}


class Scene:
    """Counts of one bay by role, and what a count is worth."""

    def __init__(
        self, rows: Rows, scales: Mapping[str, float], rate: Fraction, bay: Bay, set_to: Settings
    ) -> None:
        self.rows, self.scales, self.rate = dict(rows), dict(scales), rate
        self.bay, self.settings = bay, set_to


def recorded(name: str) -> Scene:
    """A terminal of a golden case."""
    case = golden.load(name)
    terminal = next(iter(case.recordings))
    recording = case.recordings[terminal]
    said = recording.bay
    bay = Bay(
        name=terminal,
        section=said.section,
        nominal_volts=said.nominal_volts,
        frequency_hz=50,
        earthing=said.earthing,
        rating_amps=said.rating_amps,
    )
    rows = {t.name: recording.counts[k].astype(float) for k, t in enumerate(recording.traces)}
    scales = {trace.name: trace.scale for trace in recording.traces}
    return Scene(rows, scales, Fraction(recording.rate_hz), bay, defaults(bay))


def made(seed: int, rate: int = 4000) -> Scene:
    """A short circuit drawn by a seed, of two phases or three, over load."""
    chance = np.random.default_rng(seed)
    t = times(rate, 0.32, 0.12 + float(chance.uniform(0, 0.02)))
    amps, angle = float(chance.uniform(1800, 6000)), float(chance.uniform(0, 2 * np.pi))
    tau_s, load = float(chance.uniform(0.005, 0.08)), (float(chance.uniform(50, 300)), -0.3)
    if seed % 2:
        currents = three_phase(t, amps, angle, tau_s, load)
    else:
        sizes, angles = (load[0], amps, amps), (load[1], angle, angle + np.pi)
        currents = shorted(t, sizes, angles, tau_s, load)
    volts = healthy_volts(t) * np.where(t < 0, 1.0, 0.6)
    rows = {f"i{p}": np.rint(currents[k] / 0.5) for k, p in enumerate("abc")}
    rows |= {f"u{p}": np.rint(volts[k] / 0.5) for k, p in enumerate("abc")}
    return Scene(rows, dict.fromkeys(rows, 0.5), Fraction(rate), FEEDER, defaults(FEEDER))


def detect(
    scene: Scene,
    *,
    blocks: Sequence[int] = (64,),
    silent: int = 0,
    bays: int = 0,
    start_us: int = 0,
) -> list[Event]:
    """Events of the scene's own bay; silent: channels of nothing that no role has; bays: further
    ones that are wired to them.
    """
    roles = list(scene.rows)
    names = [*roles, *(f"silent{k}" for k in range(silent + 6 * bays))]
    layout = Layout("wire", tuple(Channel(name, "A") for name in names), scene.rate)
    samples = np.stack([scene.rows[role] for role in roles])
    samples = np.pad(samples, ((0, len(names) - len(roles)), (0, 0)))
    own = {role: Tap(k, scene.scales[role]) for k, role in enumerate(roles)}
    wired = [(scene.bay, scene.settings, own)]
    for number in range(bays):
        first = len(roles) + silent + 6 * number
        taps = {role: Tap(first + k, 0.5) for k, role in enumerate(("ia", "ib", "ic"))}
        wired.append((replace(scene.bay, name=f"silent{number}"), scene.settings, taps))
    detector = Detector(layout, wired)
    events, at, turn = [], 0, 0
    while at < samples.shape[1]:
        size = blocks[turn % len(blocks)]
        turn += 1
        events += detector.feed(Block(layout, at, start_us, samples[:, at : at + size]))
        at += size
    assert all(each.bay == scene.bay.name for each in events)
    return events


def words(events: Sequence[Event]) -> list[tuple[Any, ...]]:
    """What is said, whatever it is worth in amperes, and when."""
    return [
        (e.event, e.alarm, e.kind, e.phases, e.direction, e.outcome, e.element, e.t_us, e.onset_us)
        for e in events
    ]


SCENES = {**{name: recorded(name) for name in GOLDEN}, "drawn-2": made(4), "drawn-3": made(3)}
each_scene = pytest.mark.parametrize("name", SCENES)
HEARD = {name: detect(scene) for name, scene in SCENES.items()}


def test_there_is_something_to_be_changed() -> None:
    told = {event.event for events in HEARD.values() for event in events}
    assert told >= {"fault", "fault_cleared", "dip", "voltage_loss"}


@each_scene
@pytest.mark.parametrize("blocks", [(1000,), (7, 1, 100, 33)])
def test_the_size_of_blocks_changes_nothing_to_the_last_bit(
    name: str, blocks: tuple[int, ...]
) -> None:
    assert detect(SCENES[name], blocks=blocks) == HEARD[name]


@each_scene
def test_silent_channels_and_silent_bays_change_nothing_to_the_last_bit(name: str) -> None:
    assert detect(SCENES[name], silent=3, bays=2) == HEARD[name]


@each_scene
def test_the_time_of_day_changes_nothing(name: str) -> None:
    later_us = 86_400_000_000
    told = detect(SCENES[name], start_us=later_us)
    assert [(e.event, e.kind, e.t_us - later_us, dict(e.why)) for e in told] == [
        (e.event, e.kind, e.t_us, dict(e.why)) for e in HEARD[name]
    ]


@each_scene
@pytest.mark.parametrize("factor", [0.5, 4.0])
def test_currents_scaled_with_all_that_is_set_in_amperes_change_no_word(
    name: str, factor: float
) -> None:
    scene = SCENES[name]
    scaled = {role: s * factor if role[0] == "i" else s for role, s in scene.scales.items()}
    bay = replace(scene.bay, rating_amps=scene.bay.rating_amps * factor)
    told = detect(Scene(scene.rows, scaled, scene.rate, bay, _amperes(scene.settings, factor)))
    assert words(told) == words(HEARD[name])


def _amperes(set_to: Settings, factor: float) -> Settings:
    """Powers of two, so that not a bit is lost."""
    amperes = {
        name: getattr(set_to, name) * factor
        for name in set_to.__dataclass_fields__
        if name.endswith("_amps")
    }
    return replace(set_to, **amperes)


@each_scene
def test_turning_the_phases_turns_the_names(name: str) -> None:
    """What was measured in A is measured in B, and so on."""
    scene = SCENES[name]
    onto = {"a": "b", "b": "c", "c": "a"}
    rows, scales = {}, {}
    for role in scene.rows:
        turned = role[:-1] + onto.get(role[-1], role[-1])
        rows[turned], scales[turned] = scene.rows[role], scene.scales[role]
    ordered = {role: rows[role] for role in scene.rows}
    told = detect(Scene(ordered, scales, scene.rate, scene.bay, scene.settings))
    assert [_word(each) for each in told] == [
        (e.event, e.alarm, _turned(e.kind), _sorted(e.phases), e.direction, e.outcome)
        for e in HEARD[name]
    ]
    assert [e.t_us for e in told] == pytest.approx([e.t_us for e in HEARD[name]], abs=1)


def _word(event: Event) -> tuple[Any, ...]:
    phases = "".join(sorted(event.phases)) if event.phases else event.phases
    return event.event, event.alarm, event.kind, phases, event.direction, event.outcome


def _turned(kind: str | None) -> str | None:
    if kind is None or kind == "ABC":
        return kind
    earth = "G" if kind.endswith("G") else ""
    phases = kind.rstrip("G").translate(TURNED)
    return RENAMED.get(phases, phases) + earth


def _sorted(phases: str | None) -> str | None:
    return "".join(sorted(phases.translate(TURNED))) if phases else phases


@each_scene
def test_the_polarity_of_everything_together_changes_no_word(name: str) -> None:
    scene = SCENES[name]
    rows = {role: -row for role, row in scene.rows.items()}
    told = detect(Scene(rows, scene.scales, scene.rate, scene.bay, scene.settings))
    assert words(told) == words(HEARD[name])


@each_scene
def test_so_many_samples_earlier_the_same_is_said_so_much_earlier(name: str) -> None:
    """Whole samples, less than what is quiet before; no multiple of a cycle or of a look."""
    scene, cut = SCENES[name], 37
    rows = {role: row[cut:] for role, row in scene.rows.items()}
    told = _fast(detect(Scene(rows, scene.scales, scene.rate, scene.bay, scene.settings)))
    heard = _fast(HEARD[name])
    cut_us = cut / float(scene.rate) * 1e6
    assert [_word(each) for each in told] == [_word(each) for each in heard]
    # The samples are looked at an eighth of a cycle apart, and the frequency is followed on a grid
    # that begins with the stream: a fifth of a cycle in all.
    for one, other in zip(told, heard, strict=True):
        assert other.t_us - one.t_us == pytest.approx(cut_us, abs=4000)


@pytest.mark.parametrize("name", ["short-bc", "short-abc", "evolving", "drawn-2", "drawn-3"])
def test_between_two_samples_the_same_is_said(name: str) -> None:
    """Sampled anew, a third of a sample later: between the points as the waves would be."""
    scene = SCENES[name]
    rows = {role: np.rint(_shifted(row, 1 / 3)) for role, row in scene.rows.items()}
    told = _fast(detect(Scene(rows, scene.scales, scene.rate, scene.bay, scene.settings)))
    heard = _fast(HEARD[name])
    assert [_word(each) for each in told] == [_word(each) for each in heard]
    for one, other in zip(told, heard, strict=True):
        assert one.t_us == pytest.approx(other.t_us, abs=1500)


def _fast(events: Sequence[Event]) -> list[Event]:
    """What is told of samples; slow looks come every four cycles of the stream, wherever in an
    event that is: what they tell (the end of an earth fault, or that one stands on a dead line)
    shows in a record of half a second at another instant, or not at all.
    """
    slow = [e for e in events if e.element == "67N" and (e.kind is None or e.event != "fault")]
    return [event for event in events if event.event in FAST and event not in slow]


def _shifted(row: Array, part: float) -> Array:
    """Cubic through four neighbours (Lagrange)."""
    before, here, after, later = (np.roll(row, -k) for k in (-1, 0, 1, 2))
    p = part
    shifted = (
        -p * (p - 1) * (p - 2) / 6 * before
        + (p + 1) * (p - 1) * (p - 2) / 2 * here
        - (p + 1) * p * (p - 2) / 2 * after
        + (p + 1) * p * (p - 1) / 6 * later
    )
    return np.asarray(np.concatenate((row[:2], shifted[2:-3], row[-3:])))


@each_scene
def test_at_60_hz_the_same_samples_say_the_same_in_five_sixths_of_the_time(name: str) -> None:
    """The axis alone is another; settings in milliseconds stay, so what they delay may differ."""
    scene = SCENES[name]
    bay = replace(scene.bay, frequency_hz=60)
    told = detect(Scene(scene.rows, scene.scales, scene.rate * Fraction(6, 5), bay, scene.settings))
    of_cycles = ("fault", "inrush", "fault_cleared")
    heard = [e for e in HEARD[name] if e.event in of_cycles]
    again = [e for e in told if e.event in of_cycles]
    assert [_word(e)[:5] for e in again] == [_word(e)[:5] for e in heard]
    for one, other in zip(again, heard, strict=True):
        assert one.t_us == pytest.approx(other.t_us * 5 / 6, abs=1500)


@settings(max_examples=12)
@given(
    seed=st.integers(0, 10_000),
    blocks=st.lists(st.integers(1, 400), min_size=1, max_size=5),
    silent=st.integers(0, 4),
)
def test_drawn_faults_say_the_same_in_any_pieces(seed: int, blocks: list[int], silent: int) -> None:
    scene = made(seed)
    heard = detect(scene)
    assert any(event.event == "fault" for event in heard)
    assert detect(scene, blocks=blocks, silent=silent) == heard
