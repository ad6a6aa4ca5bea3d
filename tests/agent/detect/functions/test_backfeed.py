"""Backfeed, bypass and the load side, from samples, contacts and readings to events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from agent.detect.detector import Detector, Tap
from agent.detect.settings import defaults
from agent.records import LOAD_SIDE, Block, Channel, Event, Layout, Reading
from tests.agent.detect.feeder import BAY, Array

RATE = 1_600
OWN = ("backfeed", "bypass_suspected", "voltage_loss", "voltage_restored")
PHASE_VOLTS = BAY.nominal_volts / 3**0.5
SHIFTS = np.array([[0.0], [-2 * np.pi / 3], [2 * np.pi / 3]])
ROLES = ("ia", "ib", "ic", "ua", "ub", "uc", "u_load_a", "u_load_b", "u_load_c", "switch")
UNIT = {"i": 0.05, "u": 0.5, "s": 1.0}
LAYOUT = Layout("wire", tuple(Channel(r, {"i": "A", "u": "V", "s": ""}[r[0]]) for r in ROLES), RATE)  # type: ignore[arg-type]  # a whole rate is a fraction
LOAD = 0.4 * BAY.rating_amps


@dataclass
class Feeder:
    """What a terminal measures: each a share over time, from the first sample on. [s, value]

    angle: of the currents behind the voltages [rad]; slip: of the load side [Hz].
    """

    seconds: float = 2.0
    source: float | Array = 1.0
    load: float | Array = 1.0
    amps: float | Array = LOAD
    angle: float | Array = 0.3
    slip: float = 0.0
    closed: float | Array = 1.0
    left_out: tuple[str, ...] = ()
    lead: float = field(default=0.0)

    @property
    def t(self) -> Array:
        return np.arange(round(RATE * self.seconds)) / RATE

    def events(self) -> list[Event]:
        turning = 2 * np.pi * 50 * self.t
        slipping = 2 * np.pi * self.slip * self.t + self.lead
        root2 = 2**0.5
        rows = np.concatenate(
            (
                root2 * self.amps * np.cos(turning - self.angle + SHIFTS),
                root2 * PHASE_VOLTS * self.source * np.cos(turning + SHIFTS),
                root2 * PHASE_VOLTS * self.load * np.cos(turning + slipping + SHIFTS),
            )
        )
        noise = np.random.default_rng(5).normal(0, 1, rows.shape)
        sizes = np.array([[0.01 * BAY.rating_amps]] * 3 + [[0.01 * PHASE_VOLTS]] * 6)  # 40 dB
        units = np.array([[UNIT[role[0]]] for role in ROLES[:9]])
        contact = np.broadcast_to(self.closed, self.t.shape)[None]
        samples = np.concatenate((np.rint((rows + sizes * noise) / units), contact))
        taps = {r: Tap(k, UNIT[r[0]]) for k, r in enumerate(ROLES) if r not in self.left_out}
        detector = Detector(LAYOUT, [(BAY, defaults(BAY), taps)])
        events = detector.feed(Block(LAYOUT, 0, 0, samples))
        return [e for e in events if e.event in OWN]


def after(at_s: float, before: float, then: float, seconds: float = 2.0) -> Array:
    return np.where(np.arange(round(RATE * seconds)) / RATE < at_s, before, then)


def story(events: list[Event]) -> list[tuple[str, str | None, str | None]]:
    return [(e.event, e.element, e.outcome) for e in events]


NO_LOAD_VOLTAGES = ("u_load_a", "u_load_b", "u_load_c")
SIDES_LOST = [("voltage_loss", None, None), ("voltage_loss", LOAD_SIDE, None)]


@pytest.mark.parametrize(
    "feeder",
    [
        pytest.param(Feeder(), id="load"),
        pytest.param(Feeder(angle=1.55), id="a-load-that-is-all-reactive"),
        pytest.param(Feeder(angle=np.pi - 1.5, amps=0.1 * LOAD), id="less-than-errors-feign"),
        pytest.param(Feeder(angle=np.pi, amps=0.02 * BAY.rating_amps), id="too-little-power"),
        pytest.param(Feeder(angle=after(1.0, 0.3, 3.0) - after(1.1, 0, 2.7)), id="a-swing"),
        pytest.param(
            Feeder(closed=after(0.9, 1, 0), load=after(0.9, 1, 0), amps=after(0.92, LOAD, 0)),
            id="a-switch-that-opens-makes-nothing-but-a-dead-load-side",
        ),
    ],
)
def test_no_backfeed_and_no_bypass(feeder: Feeder) -> None:
    told = {event.event for event in feeder.events()}
    assert told <= {"voltage_loss"}


def test_power_towards_the_source_is_told_and_when_it_is_over() -> None:
    turned = after(0.8, 0.3, 2.9, 3.0) - after(2.0, 0, 2.6, 3.0)
    events = Feeder(seconds=3.0, angle=turned).events()
    assert story(events) == [("backfeed", "32", None), ("backfeed", "32", "self_cleared")]
    begun, over = events
    assert (begun.alarm, begun.confidence, begun.undetermined) == (False, 0.9, None)
    watts = 3 * PHASE_VOLTS * LOAD * np.cos(2.9)
    assert begun.why["watts"] == pytest.approx(watts, rel=0.02)
    assert begun.bounds_us is not None
    assert begun.bounds_us[0] <= 800_000 <= begun.bounds_us[1]
    assert begun.t_us <= 1_200_000
    assert over.detail is not None
    assert "1.2" in over.detail


def test_power_that_never_flowed_forward_may_be_wired_the_wrong_way() -> None:
    (event,) = Feeder(angle=2.9).events()
    assert (event.event, event.confidence) == ("backfeed", 0.5)
    assert event.undetermined is not None
    assert "wired" in event.undetermined


def test_two_current_transformers_tell_it_too() -> None:
    (event,) = Feeder(angle=after(0.8, 0.3, 2.9), left_out=("ib",)).events()
    watts = 3 * PHASE_VOLTS * LOAD * np.cos(2.9)
    assert event.why["watts"] == pytest.approx(watts, rel=0.02)


@pytest.mark.parametrize(
    ("closed", "left_out", "expected"),
    [
        pytest.param(0.0, (), [("backfeed", LOAD_SIDE, 0.9)], id="open"),
        pytest.param(1.0, ("switch",), [("backfeed", LOAD_SIDE, 0.6)], id="not-known"),
        pytest.param(1.0, (), [], id="closed-then-a-sensor-lies"),
    ],
)
def test_a_load_side_that_lives_without_its_source(
    closed: float, left_out: tuple[str, ...], expected: list[Any]
) -> None:
    gone = after(0.5, 1.0, 0.0)
    contact = after(0.5, 1.0, closed)
    feeder = Feeder(source=gone, amps=LOAD * gone, closed=contact, left_out=left_out)
    events = [e for e in feeder.events() if e.event != "voltage_loss"]
    assert [(e.event, e.element, e.confidence) for e in events] == expected


def test_a_generator_that_slips_is_no_bypass() -> None:
    opened = after(0.5, 1.0, 0.0)
    events = Feeder(amps=LOAD * opened, closed=opened, slip=0.6).events()
    assert [(e.event, e.element) for e in events] == [("backfeed", LOAD_SIDE)]
    assert events[0].detail is not None
    assert "island" in events[0].detail


@pytest.mark.parametrize("lead", [0.0, 0.5], ids=["same-bus", "another-transformer"])
def test_a_load_side_that_lives_in_step_is_a_weak_sign_after_a_second(lead: float) -> None:
    opened = after(0.5, 1.0, 0.0)
    (event,) = Feeder(amps=LOAD * opened, closed=opened, lead=lead).events()
    assert (event.event, event.alarm, event.confidence) == ("bypass_suspected", False, 0.3)
    assert event.undetermined is not None
    assert event.undetermined.startswith("unexplained")
    assert 1.5 <= event.t_us / 1e6 <= 1.75
    assert event.phases == "ABC"


def test_a_live_transfer_that_ends_within_the_second_is_silent() -> None:
    opened = after(0.5, 1.0, 0.0) + after(1.4, 0.0, 1.0)
    assert Feeder(amps=LOAD * opened, closed=opened).events() == []


@pytest.mark.parametrize("left_out", [(), NO_LOAD_VOLTAGES])
def test_current_through_an_open_switch_is_the_strong_sign(left_out: tuple[str, ...]) -> None:
    opened = after(0.5, 1.0, 0.0) + after(1.4, 0.0, 1.0)
    events = Feeder(closed=opened, left_out=left_out).events()
    assert story(events) == [
        ("bypass_suspected", "switch", None),
        ("bypass_suspected", "switch", "self_cleared"),
    ]
    assert events[0].confidence == 0.8
    assert events[0].why["amps"] == pytest.approx(LOAD, rel=0.02)
    assert events[0].undetermined is not None
    assert ("not_observable" in events[0].undetermined) == bool(left_out)


@pytest.mark.parametrize("left_out", [NO_LOAD_VOLTAGES, ("switch",), (*NO_LOAD_VOLTAGES, "switch")])
def test_what_cannot_be_seen_is_not_flagged(left_out: tuple[str, ...]) -> None:
    opened = after(0.5, 1.0, 0.0)
    assert Feeder(amps=LOAD * opened, closed=opened, left_out=left_out).events() == []


def test_both_sides_tell_their_own_loss_and_return() -> None:
    gone = after(0.5, 1.0, 0.0, 3.0) + after(1.0, 0.0, 1.0, 3.0)
    load = after(0.5, 1.0, 0.0, 3.0) + after(2.0, 0.0, 1.0, 3.0)
    closed = after(0.7, 1.0, 0.0, 3.0) + after(2.0, 0.0, 1.0, 3.0)
    events = Feeder(seconds=3.0, source=gone, load=load, closed=closed, amps=LOAD * load).events()
    assert story(events) == [
        *SIDES_LOST,
        ("voltage_restored", None, None),
        ("voltage_restored", LOAD_SIDE, None),
    ]
    assert [event.alarm for event in events] == [True, False, False, False]
    for event, true_s in zip(events, (0.5, 0.5, 1.0, 2.0), strict=True):
        assert event.bounds_us is not None
        assert event.bounds_us[0] <= true_s * 1e6 <= event.bounds_us[1]


def test_a_return_in_part_is_told_as_a_part() -> None:
    back = np.array([[0.0], [1.0], [1.0]]) * after(1.0, 0.0, 1.0) + after(0.5, 1.0, 0.0)
    events = Feeder(load=back, source=back, amps=0.0).events()
    restored = [e for e in events if e.event == "voltage_restored"]
    assert [(e.element, e.phases, e.detail) for e in restored] == [
        (None, "BC", "in part: A still dead"),
        (LOAD_SIDE, "BC", "in part: A still dead"),
    ]


METERED = Layout("meter", LAYOUT.channels)


def polled(*rows: tuple[float, float, float, float | None]) -> list[Event]:
    """Readings ten times a second: amperes, volts of the source's and the load side, contact."""
    detector = Detector(
        METERED, [(BAY, defaults(BAY), {r: Tap(k, 1.0) for k, r in enumerate(ROLES)})]
    )
    events = []
    for k, (amps, source, load, contact) in enumerate(rows):
        values = (*[amps] * 3, *[source] * 3, *[load] * 3, contact)
        events += detector.feed(Reading(METERED, k * 100_000, values))
    return [e for e in events if e.event in OWN]


def test_a_meter_tells_of_the_load_side_and_of_the_switch() -> None:
    on, off = (100.0, PHASE_VOLTS, PHASE_VOLTS, 1.0), (0.0, PHASE_VOLTS, 0.0, 0.0)
    past = (100.0, PHASE_VOLTS, PHASE_VOLTS, 0.0)
    assert story(polled(on, on, *[off] * 4)) == [("voltage_loss", LOAD_SIDE, None)]
    assert story(polled(on, on, *[past] * 4)) == [("bypass_suspected", "switch", None)]
    below = (0.0, 0.0, PHASE_VOLTS, 0.0)
    assert story(polled(on, on, *[below] * 5)) == [
        ("voltage_loss", None, None),
        ("backfeed", LOAD_SIDE, None),
    ]


def test_a_contact_that_a_meter_does_not_tell_flags_nothing() -> None:
    on, unknown = (100.0, PHASE_VOLTS, PHASE_VOLTS, 1.0), (100.0, PHASE_VOLTS, PHASE_VOLTS, None)
    assert polled(on, on, *[unknown] * 5) == []
