"""Outcomes as a run would leave them, made from formulas: for tests of the report, and to look at
while it is being worked on: `python -m tests.hil.report.demo_outcomes FOLDER`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hil import comtrade, report
from hil.case import Bay, Recording, Seen, Supply, Trace, Truth
from hil.verdict import (
    BROKEN,
    FAILED,
    NOT_YET,
    PASSED,
    Check,
    Expected,
    Latency,
    Moment,
    Outcome,
)

HOSTILE = '<script>document.title="taken"</script><img src=x onerror=alert(1)> "\'&'
ONSET_S, CLEARED_S = 0.2, 0.36
_BAY = Bay("F1-S2", 10_000, 600, "isolated", "core_balance")
_NAMES = ("ia", "ib", "ic", "i0", "ua", "ub", "uc", "u0")
_SHIFTS = (0.0, -2 * np.pi / 3, 2 * np.pi / 3)

Array = npt.NDArray[np.float64]


def recording(
    terminal: str, *, amps: float = 4000.0, seconds: float = 0.5, rate_hz: int = 4000
) -> Recording:
    """A phase fault AB with decaying DC between ONSET_S and CLEARED_S; load before and after."""
    t = np.arange(int(seconds * rate_hz)) / rate_hz
    on = (t >= ONSET_S) & (t < CLEARED_S)
    rows = [_current(t, on, amps, phase) for phase in range(3)]
    rows.append(np.sum(rows, axis=0) * 0.002)
    rows += [_voltage(t, on, amps, phase) for phase in range(3)]
    rows.append(np.sum(rows[4:7], axis=0) / 3)
    noise = np.random.default_rng(7)
    counts, traces = [], []
    for name, row in zip(_NAMES, rows, strict=True):
        scale = max(float(np.max(np.abs(row))), 1e-3) / 20_000
        counts.append(np.rint(row / scale + noise.normal(0, 25, t.shape)).astype(np.int32))
        phase = {"a": "A", "b": "B", "c": "C"}.get(name[-1], "N")
        traces.append(Trace(name, "A" if name[0] == "i" else "V", scale, phase))
    closed = t < CLEARED_S + 0.004
    return Recording(
        terminal, _BAY, rate_hz, 50, tuple(traces), np.array(counts), {"breaker closed": closed}
    )


def _current(t: Array, on: npt.NDArray[np.bool_], amps: float, phase: int) -> Array:
    load = 180 * np.sqrt(2) * np.sin(2 * np.pi * 50 * t + _SHIFTS[phase] - 0.3)
    if phase == 2 or amps == 0:
        return np.asarray(load)
    since = np.clip(t - ONSET_S, 0, None)
    wave = np.sin(2 * np.pi * 50 * t - 1.2) - np.sin(2 * np.pi * 50 * ONSET_S - 1.2) * np.exp(
        -since / 0.045
    )
    return np.asarray(np.where(on, (1 if phase == 0 else -1) * amps * np.sqrt(2) * wave, load))


def _voltage(t: Array, on: npt.NDArray[np.bool_], amps: float, phase: int) -> Array:
    healthy = 10_000 * np.sqrt(2 / 3) * np.sin(2 * np.pi * 50 * t + _SHIFTS[phase])
    sag = 1.0 if phase == 2 or amps == 0 else 0.45
    after = np.where(t >= CLEARED_S, np.exp(-(t - CLEARED_S) / 0.02), 1.0)
    return np.asarray(np.where(on, sag * healthy, healthy) * np.clip(after, 0, 1))


def fault(t: float, direction: str = "forward", *, alarm: bool = True) -> dict[str, Any]:
    """An event as `replay --json` shows it."""
    return {
        "record": "case",
        "bay": "F1-S2",
        "event": "fault",
        "alarm": alarm,
        "t": t,
        "onset": 0.2003,
        "kind": "AB",
        "direction": direction,
        "distance_km": 3.42,
        "confidence": 0.97,
        "why": {"quantity": "ia", "value": 3911.0, "pickup": 900.0},
    }


TRUTH = Truth(
    what="short_circuit",
    kind="AB",
    onset_s=ONSET_S,
    cleared_s=CLEARED_S,
    section="F1-S3",
    network="rural",
    earthing="isolated",
    resistance_ohm=0.1,
    angle_deg=37.0,
    terminals={
        "F1-head": Seen("forward", alarm=True, distance_km=3.4, amps=3980.0, neutral_share=0.004),
        "F2-head": Seen("", alarm=False),
    },
    sections={"F1-S3": (Supply(0.0, "ABC"), Supply(0.36, ""))},
)


def records(folder: Path, **how: Any) -> dict[str, Path]:
    """COMTRADE of a terminal at the faulted feeder and of one at its neighbour."""
    return {
        name: comtrade.write(folder, comtrade.Sheet.of(recording(name, **each), station="demo"))
        for name, each in {"F1-head": how, "F2-head": how | {"amps": 0.0}}.items()
    }


def outcome(folder: Path, scenario: str, status: str, **more: Any) -> Outcome:
    """A short circuit told rightly after 16 ms; `more` replaces what is to be different."""
    told = fault(0.2163)
    cleared = {"event": "fault_cleared", "alarm": False, "t": 0.3772, "onset": 0.2003, "kind": "AB"}
    fields: dict[str, Any] = {
        "title": "Phase fault AB at 37°, two terminals. 两相短路",
        "rows": ("H3", "T2"),
        "checks": [
            Check("F1-head tells the fault in time", True, "fault AB forward at 0.2163 s, 16.3 ms"),
            Check("F2-head stays quiet", True, "no event with alarm = true"),
            Check("nothing else comes", True, "2 events, both asked for"),
        ],
        "seconds": 3.4,
        "case": "short_circuit-AB-isolated",
        "seed": 41,
        "timeline": timeline(told, cleared),
        "latencies": [Latency("F1-head", "fault AB", 16.3, 41.8)],
        "events": {"F1-head": [told, cleared], "F2-head": []},
        "records": records(folder / scenario.replace("/", "_")[:20]),
        "jitter_ms": 0.42,
        "expected": expected(came=True),
        "truth": TRUTH,
    }
    return Outcome(scenario=scenario, status=status, **(fields | more))


def expected(*, came: bool) -> list[Expected]:
    """What the scenario asks of its first terminal and of the consumer."""
    return [
        Expected("F1-head", "fault AB forward, alarm", came, 0.2, 0.23),
        Expected("consumer", "fault AB of F1-head", came, 0.2, 1.2),
    ]


def timeline(told: Mapping[str, Any], cleared: Mapping[str, Any]) -> list[Moment]:
    """From the plant to the consumer."""
    return [
        Moment(0.0, "fault", "link", "broker away"),
        Moment(0.2, "plant", "F1-S3", "onset AB"),
        Moment(float(told["t"]), "decision", "F1-head", "fault", told),
        Moment(0.2418, "receipt", "consumer", "fault of F1-head, seq 1"),
        Moment(0.36, "plant", "F1-S3", "cleared"),
        Moment(0.3772, "decision", "F1-head", "fault_cleared", cleared),
        Moment(0.402, "receipt", "consumer", "fault_cleared of F1-head, seq 2"),
    ]


def failing(folder: Path, scenario: str = "short-circuit-ab-far") -> Outcome:
    """The device tells the wrong direction, late, and the neighbour raises an alarm."""
    told, wrong = fault(0.2541, "reverse", alarm=False), fault(0.2402, "forward")
    checks = [
        Check(
            "F1-head tells the fault in time",
            False,
            "asked for fault AB forward with alarm from 0.200 to 0.230 s; "
            "came fault AB reverse without alarm at 0.2541 s, 54.1 ms after the onset",
        ),
        Check("F2-head stays quiet", False, "fault AB forward with alarm at 0.2402 s"),
        Check("the consumer has each key once", True, "2 keys, 2 messages"),
    ]
    return outcome(
        folder,
        scenario,
        FAILED,
        checks=checks,
        events={"F1-head": [told], "F2-head": [wrong]},
        expected=expected(came=False),
        timeline=[
            *timeline(told, fault(0.3772))[:3],
            Moment(0.2402, "decision", "F2-head", "fault", wrong),
        ],
        latencies=[Latency("F1-head", "fault AB", 54.1, 88.0)],
    )


def outcomes(folder: Path) -> list[Outcome]:
    """One of each status, a hostile name, a long record, and enough that passed."""
    rng = np.random.default_rng(3)
    good = [
        outcome(
            folder,
            f"short-circuit-{k:02}",
            PASSED,
            seconds=2 + k / 7,
            latencies=[Latency("F1-head", "fault AB", d, d + r)],
        )
        for k, (d, r) in enumerate(zip(rng.gamma(9, 2, 9), rng.gamma(4, 6, 9), strict=True))
    ]
    long = records(folder / "long", seconds=12.0, rate_hz=12_800)
    never = (Check("a plan is kept", False, "no message on D2 within 5 s"),)
    return [
        *good,
        failing(folder),
        outcome(
            folder,
            HOSTILE,
            FAILED,
            title=f"title {HOSTILE}",
            checks=[Check(f"check {HOSTILE}", False, f"evidence {HOSTILE}\x00\x1b")],
            events={HOSTILE: [{"event": HOSTILE, "alarm": True, "t": 0.21}]},
            timeline=[Moment(0.21, "device", HOSTILE, HOSTILE)],
        ),
        outcome(folder, "reclosing-long", PASSED, title="Reclosing onto the fault", records=long),
        outcome(
            folder,
            "planned-outage-on-time",
            NOT_YET,
            title="Planned outage on time 计划停电",
            rows=("H1", "R02"),
            checks=never,
            not_yet="part E: plans",
            records={},
            timeline=(),
            events={},
            expected=(),
            truth=None,
            latencies=(),
            jitter_ms=None,
        ),
        outcome(
            folder,
            "rtu-serial-line",
            BROKEN,
            title="Modbus RTU over the pty bridge",
            checks=(),
            problem="pty bridge: the slave did not answer within 5 s; expected a reply to unit 3",
            records={"F1-head": folder / "gone" / "F1-head.cfg"},
            events={},
            latencies=(),
        ),
    ]


if __name__ == "__main__":
    where = Path(sys.argv[1])
    page = report.write(
        outcomes(where / "made"),
        where / "report",
        title="Rig report 试验报告",
        meta={"device": "agent 0.1.0 as processes", "seeds": "41 to 52"},
    )
    print(page)  # noqa: T201
