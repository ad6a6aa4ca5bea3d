"""A drill on a live agent, by real processes: what it tells and scores, what it leaves alone."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent import drill_score
from agent.store import cbor, entry
from agent.store.journal import Stored, export, verify
from hil import drill
from hil.case import Recording
from hil.device.agent import Agent
from hil.device.listener import Listener, Receipt
from hil.device.site import Terminal, compose
from hil.drill import Came, Script, Step
from hil.errors import BenchError, CaseError
from hil.faults.broker import Mosquitto
from hil.plant import golden
from tests.agent.uplink.broker import run
from tests.hil.feeders import BAY, CHANNELS, HZ, RATE_HZ, recording

# A feeder on which nothing ever happens: whatever is told is the drill's.
QUIET = '[[sensor]]\nname = "head"\ndriver = "simulated"\n'
SCRIPT = Script(
    id="D-7",
    title="short circuit between B and C",
    bay="head",
    steps=[
        Step("isolate", 60.0, "crew-lead", 0.5),
        Step("test", 0.2, "crew-lead", 1.0),
        Step("earth", 60.0, "dispatcher", 1.2, by="crew-lead"),
    ],
    expected=[("head", "fault", "BC"), ("head", "voltage_loss", None), ("head", "fault", "AG")],
    ends_after_s=60.0,
)
PASSED = Script(
    id="D-8",
    title="the same, well done",
    bay="head",
    steps=[Step("isolate", 60.0, "crew-lead", 0.3), Step("restore", 60.0, "crew-lead", 0.6)],
    expected=[("head", "fault", "BC"), ("head", "voltage_loss", None)],
    ends_after_s=60.0,
)


@dataclass
class Stand:
    came: Came
    passed: Came
    cut: Came
    receipts: list[Receipt]
    before: dict[str, int]
    after: dict[str, int]
    folder: Path
    said: str


def test_a_case_makes_a_drill_of_what_the_first_alarmed_terminal_sees() -> None:
    case = golden.load("short-bc")

    script, recording = drill.of_case(case, "head", [Step("isolate", 60.0, "crew-lead")])

    assert recording is case.recordings["F1-head"]
    assert script.expected == [("head", "fault", "BC")]
    assert script.ends_after_s == 65.0


def test_a_drill_of_a_quiet_network_expects_nothing() -> None:
    script, _ = drill.of_case(golden.load("quiet"), "head")

    assert script.expected == []


def test_a_file_of_steps_that_cannot_be_taken_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "steps.toml"
    path.write_text('[[step]]\nname = "isolate"\nwho = "crew"\n')

    with pytest.raises(CaseError, match=r"steps\.toml: .*; expected \[\[step\]\] with name"):
        drill.steps(path)


def test_steps_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "steps.toml"
    path.write_text('[[step]]\nname = "isolate"\nrole = "crew"\ndue_s = 60\ndoes_s = 0.5\n')

    assert drill.steps(path) == [Step("isolate", 60, "crew", 0.5)]


def outage() -> Recording:
    """A fault at 0.2 s; at 0.5 s the supply is gone."""
    played = recording("head", onset_s=0.2, seconds=1.5)
    played.counts[:, RATE_HZ // 2 :] = 0
    return played


def plan() -> str:
    """In force all the time: an outage that were taken for real would be held against it."""
    now = datetime.now(UTC).replace(microsecond=0)
    start, end = (now + timedelta(hours=hours) for hours in (-1, 1))
    return (
        f'[[plan]]\nid = "P-1"\nsection = "s1"\n'
        f"start = {start.isoformat()}\nend = {end.isoformat()}\n"
    )


def lanes(device: Agent) -> dict[str, int]:
    """How many records each lane holds."""
    report = verify(device.log)
    return {lane.lane: lane.records for lane in report.lanes}


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """An agent with three drills behind it: one badly done, one well, one cut by a kill."""
    folder = tmp_path_factory.mktemp("drill")
    left: list[Stand] = []
    run(three_drills(folder, left), 100)
    yield left[0]
    shutil.rmtree(folder)


async def three_drills(folder: Path, left: list[Stand]) -> None:
    played = outage()
    with Mosquitto(folder / "broker") as broker:
        device = Agent(folder / "device")
        (device.folder / "plan.toml").write_text(plan())
        site = compose(
            [Terminal("head", BAY, HZ, QUIET, CHANNELS)],
            node="ftu-1",
            broker=broker.url,
            more='[outage]\nplans = ["plan.toml"]\n',
        )
        async with Listener(broker.url, folder / "central") as central, device:
            await device.start(site)
            await central.until(lambda: central.told("started"), "a guard that watches")
            before = lanes(device)
            came = await drill.drilled(device.data_dir, broker.url, SCRIPT, played)
            passed = await drill.drilled(device.data_dir, broker.url, PASSED, played)
            after = lanes(device)
            cut = await cut_drill(device, central)
            assert await device.stop() == 0
            log = drill.logged(device.data_dir)
            await central.until(
                lambda: len([r for r in central.received if lane(r) == "x"]) == len(log), "lane x"
            )
            receipts = list(central.received)
        left.append(Stand(came, passed, cut, receipts, before, after, folder, device.said()))


async def cut_drill(device: Agent, central: Listener) -> Came:
    """link dies in the middle; the drill is over, and is not begun again."""
    script = Script("D-9", "cut", "head", [Step("isolate", 60.0, "crew-lead")], (), 60.0)
    drill.place(device.data_dir, script, recording("head", onset_s=0.2))
    await central.until(lambda: central.told("drill", drill="D-9", what="started"), "its start")
    await central.until(lambda: len(central.told("fault")) == 3, "its decision")
    assert await device.strike("link")
    await central.until(lambda: central.told("drill", drill="D-9", what="aborted"), "its end")
    await asyncio.sleep(1.0)  # nothing more may come of it
    log = drill.logged(device.data_dir)
    return Came(log, [], drill.last_score(log))


def lane(receipt: Receipt) -> str:
    return str(receipt.told["key"]["lane"])


def test_each_step_is_timed_and_judged(stand: Stand) -> None:
    score = json.loads(stand.came.score)
    by_name = {step["step"]: step for step in score["steps"]}

    assert {name: step["verdict"] for name, step in by_name.items()} == {
        "isolate": "in_time",
        "test": "late",
        "earth": "wrong_role",
    }
    assert 500 <= by_name["isolate"]["done_ms"] <= by_name["test"]["done_ms"]
    assert score["in_order"]
    assert score["status"] == "ended"
    assert not score["passed"]


def test_what_detection_told_is_held_against_what_was_expected(stand: Stand) -> None:
    score = json.loads(stand.came.score)

    assert [(each["event"], each["kind"], each["told"]) for each in score["decisions"]] == [
        ("fault", "BC", True),
        ("voltage_loss", None, True),
        ("fault", "AG", False),
    ]
    assert score["unexpected_alarms"] == []


def test_a_drill_that_is_well_done_is_passed_and_ends_when_its_last_step_is_done(
    stand: Stand,
) -> None:
    score = json.loads(stand.passed.score)

    assert score["passed"]
    assert score["status"] == "ended"


def test_every_record_of_a_drill_says_that_it_is_one_and_no_other_does(stand: Stand) -> None:
    assert len([r for r in stand.receipts if lane(r) == "x"]) > 10
    for receipt in stand.receipts:
        assert receipt.told.get("exercise", False) == (lane(receipt) == "x")
    faults = [r.told for r in stand.receipts if r.told["event"] == "fault"]
    assert len(faults) == 3
    assert all(each["exercise"] and each["key"]["lane"] == "x" for each in faults)


def test_no_live_lane_moves_because_of_a_drill(stand: Stand) -> None:
    live = [r.told for r in stand.receipts if lane(r) != "x"]
    # Nothing of the fault or the outage: neither of guard's decisions nor of the plan's. A machine
    # that is late may tell that a source stalled.
    assert {each["event"] for each in live} <= {
        *("started", "sensor_trouble", "timemap", "blind", "history", "extremes"),
        *("metrics", "head"),
    }
    late = sum(each["event"] == "sensor_trouble" for each in live)
    assert stand.before["a"] <= stand.after["a"] <= stand.before["a"] + late
    # Of lane s only the log's own word of itself.
    assert {r.told["event"] for r in stand.receipts if lane(r) == "s"} <= {"metrics", "head"}
    for each in (r.told for r in stand.receipts if r.told["event"] in ("history", "extremes")):
        amps = each["currents"] if "currents" in each else each["maxima"]["currents"]
        assert max(amps) < 1000


def test_the_score_from_a_consumers_copy_is_the_same_byte_for_byte(stand: Stand) -> None:
    for came in (stand.came, stand.passed):
        received = sorted(came.received, key=lambda record: record[0])
        again = [(seq, cbor.loads(cbor.dumps(each))) for seq, each in came.log]

        assert drill.last_score(received) == came.score
        assert drill.last_score(again) == came.score
        assert came.score.encode() == drill_score.text(json.loads(came.score)).encode()


def test_a_drill_that_a_kill_cuts_is_told_as_aborted_once(stand: Stand) -> None:
    words = [entry.as_dict(each) for _, each in stand.cut.log]
    of_it = [w["what"] for w in words if w["type"] == "drill" and w["drill"] == "D-9"]

    assert of_it == ["started", "aborted"]
    score = json.loads(stand.cut.score)
    assert score["status"] == "aborted"
    assert score["detail"] == "link ended meanwhile"
    assert not score["passed"]
    keys = [json.dumps(r.told["key"]) for r in stand.receipts]
    assert len(set(keys)) == len(keys)
    assert "Traceback" not in stand.said


def test_behind_each_decision_stand_its_quantities(stand: Stand) -> None:
    records = dict(stand.came.log)
    whys = [entry.as_dict(each) for each in records.values() if each[0] == entry.WHY]

    assert whys
    for why in whys:
        assert why["lane"] == "x"
        assert records[why["seq"]][0] == entry.EVENT


def test_the_decision_comes_in_the_records_own_time(stand: Stand) -> None:
    """Not before its sample has passed since the drill began: it is played in real time."""
    start = next(each for _, each in stand.came.log if drill_score.is_start(each))
    fault = next(each for _, each in stand.came.log if each[0] == entry.EVENT)
    told: dict[str, Any] = entry.as_dict(fault)

    assert fault[entry.MONO] - start[entry.MONO] >= 200_000
    assert told["lag_us"] >= 0


def test_an_order_beside_a_waiting_one_is_refused(tmp_path: Path) -> None:
    played = recording("head", onset_s=0.2)
    drill.place(tmp_path, PASSED, played)

    with pytest.raises(BenchError, match="is there already"):
        drill.place(tmp_path, PASSED, played)
    drill.forget(tmp_path)
    drill.place(tmp_path, PASSED, played)
    assert [path.name for path in (tmp_path / "drills").iterdir()] == ["ORDER"]


def test_a_step_without_a_drill_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="cannot be written"):
        drill.done(tmp_path, "isolate", "crew-lead")


def test_the_log_of_drills_is_whole(stand: Stand) -> None:
    items = [item for _, item in export(stand.folder / "device" / "data" / "log", "x")]

    assert all(isinstance(item, Stored) for item in items)
