"""Seeded damage to files, and an agent that starts on a damaged log, goes on and tells it."""

from __future__ import annotations

import asyncio
import random
import shutil
from pathlib import Path

import pytest

from agent.store.journal import Lost, Stored, export
from hil.device.agent import Agent
from hil.device.listener import Listener, Receipt
from hil.device.site import compose
from hil.errors import BenchError
from hil.faults.broker import Mosquitto
from hil.faults.corruption import KINDS, PAGE, damage
from tests.agent.uplink.broker import run
from tests.hil.feeders import ENDED, simulated

# The last pages are only reserved, as in a segment of the log.
USED = bytes(n // PAGE + 1 for n in range(8 * PAGE)) + b"the rest"
CONTENT = USED + bytes(20 * PAGE)


def make(folder: Path) -> Path:
    folder.mkdir()
    for name in ("a-1.seg", "a-2.seg", "h-1.seg"):
        (folder / name).write_bytes(CONTENT)
    (folder / "empty").touch()
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_damage_does_what_it_says_to_one_file(tmp_path: Path, kind: str) -> None:
    folder = make(tmp_path / "log")
    before = content(folder)
    (done,) = damage(folder, seed=4, kinds=[kind])
    after = content(folder)
    assert [name for name in before if after.get(name) != before[name]] == [done.file.name]
    left, at = after.get(done.file.name), done.at
    assert at < len(USED)
    if kind == "remove":
        assert left is None
    elif kind == "truncate":
        assert left == CONTENT[:at]
    else:
        assert left is not None
        assert len(left) == len(CONTENT)
        differs = [n for n, byte in enumerate(left) if byte != CONTENT[n]]
        assert differs[0] == at
        if kind == "flip":
            assert len(differs) == 1
            assert (left[at] ^ CONTENT[at]).bit_count() == 1
        elif kind == "swap":
            assert sorted(left) == sorted(CONTENT)
            assert len(differs) == 2 * PAGE
        else:
            assert differs[-1] < at + PAGE
            assert len(set(left[at : at + PAGE])) > 200 or kind in ("zero", "erase")


def test_the_seed_says_which_damage(tmp_path: Path) -> None:
    done = []
    for number, seed in enumerate((1, 1, 2)):
        folder = make(tmp_path / f"log-{number}")
        told = damage(folder, seed=seed, count=5, files="a-*.seg")
        assert all(each.file.name.startswith("a-") for each in told)
        done.append([str(each) for each in told])
    assert done[0] == done[1] != done[2]


def test_every_kind_takes_the_smallest_file(tmp_path: Path) -> None:
    for kind, act in KINDS.items():
        path = tmp_path / kind
        path.write_bytes(b"x")
        assert act(path, random.Random(1)) == 0
        assert kind == "remove" or path.read_bytes() != b"x"


def test_what_cannot_be_damaged_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="holds nothing to damage like"):
        damage(make(tmp_path / "log"), seed=1, files="*.nothing")
    with pytest.raises(BenchError, match="damage melt: is unknown; expected of flip"):
        damage(tmp_path, seed=1, kinds=["melt"])


@pytest.mark.timeout(180)
def test_on_a_damaged_log_an_agent_starts_goes_on_and_declares_what_it_lost(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        with Mosquitto(tmp_path / "broker") as broker:
            async with Listener(broker.url, tmp_path / "central") as central:
                first = Agent(tmp_path / "device")
                async with first:
                    await first.start(compose([simulated()], node="first", broker=broker.url))
                    await central.until(lambda: len(central.told("fault")) >= 3, "faults", 60)
                    assert await first.stop() in ENDED
                async with asyncio.TaskGroup() as group:
                    for kind in ("flip", "scramble", "swap"):
                        other = Agent(tmp_path / kind)
                        shutil.copytree(first.data_dir, other.data_dir)
                        (done,) = damage(other.log, seed=1, kinds=[kind], files="a-*.seg")
                        group.create_task(goes_on(other, kind, broker, central, str(done)))

    async def goes_on(
        device: Agent, node: str, broker: Mosquitto, central: Listener, done: str
    ) -> None:
        def faults() -> list[Receipt]:
            return [r for r in central.told("fault") if r.told["key"]["node"] == node]

        async with device:
            await device.start(compose([simulated()], node=node, broker=broker.url))
            await central.until(faults, f"a fault after {done}", 60)
            assert await device.stop() in ENDED, done
        assert "Traceback" not in device.said(), done
        items = [item for lane, item in export(device.log) if lane == "a"]
        following = 1
        for item in items:
            assert (item.seq if isinstance(item, Stored) else item.first) == following, done
            following = (item.last if isinstance(item, Lost) else item.seq) + 1
        assert any(isinstance(item, Lost) for item in items), done

    run(scenario(), 170)
