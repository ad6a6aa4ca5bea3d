"""The reference ingester between a real mosquitto and real databases, killed and cut off."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent import ingest as ingester
from agent.cli import main
from agent.ingest_check import LaneFound, check
from agent.ingest_store import Database
from agent.uplink import gaps
from agent.uplink.backoff import Backoff
from agent.uplink.consumer import BATCH
from hil.faults import processes
from hil.faults.broker import Mosquitto
from hil.faults.database import Postgres
from tests.agent.uplink.broker import eventually, mosquitto, run
from tests.agent.uplink.node import Node
from tests.agent.uplink.pretender import Pretender, birth, lost, pretending, records, shuffled


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path / "broker") as running:
        yield running


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Holes are asked for after 0.3 s; a database that is away is looked for every 0.1 s."""
    monkeypatch.setattr(ingester, "WINDOW_US", 300_000)
    monkeypatch.setattr(ingester, "LONGEST_US", 100_000)
    monkeypatch.setattr(ingester.Acker.__init__, "__kwdefaults__", {"window_us": 300_000})
    monkeypatch.setattr(gaps, "ANSWER_US", 2_000_000)


@contextlib.asynccontextmanager
async def ingesting(
    broker: Mosquitto,
    url: str,
    workers: int = 1,
    told: list[str] | None = None,
    metrics: Path | None = None,
) -> AsyncIterator[None]:
    """Ours, in this process but for the workers of more than one."""
    lines: list[str] = [] if told is None else told
    options: dict[str, Any] = {"metrics": metrics}
    if workers == 1:
        options |= {"backoff": Backoff(lambda most: most // 2, 20_000, 100_000)}
    task = asyncio.create_task(
        ingester.ingest(broker.url, url, "scada", workers, tell=lines.append, **options)
    )
    try:
        yield
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def in_database(url: str) -> list[LaneFound]:
    def look() -> list[LaneFound]:
        tables = Database(url)
        try:
            return check(tables)
        finally:
            tables.close()

    return await asyncio.to_thread(look)


BOTH = [("sqlite", 1), ("postgresql", 2)]


@pytest.mark.parametrize(("database", "workers"), BOTH, indirect=["database"])
def test_whatever_the_order_all_is_there_and_then_acknowledged(
    broker: Mosquitto,
    database: str,
    workers: int,
) -> None:
    async def scenario() -> None:
        async with ingesting(broker, database, workers), pretending(broker.url) as node:
            await eventually(lambda: bool(node.acks))  # it is there: the birth is answered
            await until_shared(broker, workers)
            payloads = [records(first, 5) for first in range(1, 400, 5)] + [lost(401, 420)]
            await node.say(*shuffled([*payloads, records(7, 9)], workers))
            await eventually(lambda: node.acked() == 420)
            (found,) = await in_database(database)
            assert (found.received, found.lost, found.whole) == (400, 20, True)
            marks = [acked["a"] for acked in node.acks if "a" in acked]
            assert marks == sorted(marks)

    run(scenario(), 60)


async def until_shared(broker: Mosquitto, workers: int) -> None:
    """Until each of several workers has subscribed, which the broker notes in its log."""
    last = "$share/scada/ftu/1/+/+/e/x"
    await eventually(lambda: workers == 1 or broker.log.count(last) >= workers, 20)


@pytest.mark.usefixtures("impatient")
def test_what_is_missing_is_asked_for_and_what_is_gone_is_lost(
    broker: Mosquitto, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/x.db"

    async def scenario() -> None:
        async with ingesting(broker, url), pretending(broker.url) as node:
            await eventually(lambda: bool(node.acks))
            await node.say(records(1, 3), records(8, 3))
            await eventually(lambda: bool(node.asked))
            ((lane, first, last, deadline_us),) = node.asked
            assert (lane, first, last) == ("a", 4, 7)
            assert deadline_us is not None
            assert node.acked() == 3
            await node.say(records(4, 2, flags=2), lost(6, 7, flags=2))
            await eventually(lambda: node.acked() == 10)
            assert len(node.asked) == 1
            (found,) = await in_database(url)
            assert (found.received, found.lost, found.whole) == (8, 2, True)

    run(scenario())


@pytest.mark.usefixtures("impatient")
def test_a_database_that_is_away_holds_up_the_acknowledgement_and_nothing_is_lost(
    broker: Mosquitto,
    postgres: Postgres,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = postgres.emptied()
    told: list[str] = []
    taken = 0

    def counting(*arguments: Any) -> Any:
        nonlocal taken
        taken += 1
        return opened(*arguments)

    opened = vars(ingester)["opened"]
    monkeypatch.setattr(ingester, "opened", counting)

    async def scenario() -> None:
        nonlocal taken
        async with ingesting(broker, url, told=told), pretending(broker.url) as node:
            await eventually(lambda: bool(node.acks))
            await node.say(records(1, 3))
            await eventually(lambda: node.acked() == 3)
            await asyncio.to_thread(postgres.stop)
            taken = 0
            await node.say(*(records(seq) for seq in range(4, 404)))
            await eventually(lambda: any("acknowledged until" in line for line in told))
            await asyncio.sleep(0.5)  # time in which something could be acknowledged
            assert node.acked() == 3
            assert taken <= BATCH
            await asyncio.to_thread(postgres.start)
            await eventually(lambda: node.acked() == 403, 20)
            (found,) = await in_database(url)
            assert (found.received, found.whole) == (403, True)
            # However often it was tried.
            assert sum("acknowledged until" in line for line in told) == 1

    run(scenario(), 60)


def test_a_nodes_whole_log_arrives_and_its_own_cursors_move(
    broker: Mosquitto, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    node = Node(tmp_path, broker.url)
    node.log(300)
    node.log(40, "h")

    async def scenario() -> None:
        async with ingesting(broker, url), node.running():
            await eventually(lambda: (node.acked(), node.acked("h")) == (300, 40))
            found = {each.lane: each for each in await in_database(url)}
            assert [found[lane].received for lane in "ah"] == [300, 40]
            assert all(each.whole for each in found.values())

    run(scenario())


def test_tables_that_are_not_ours_end_it_with_one_line(
    broker: Mosquitto, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with sqlite3.connect(tmp_path / "x.db") as foreign:
        foreign.execute("CREATE TABLE ftu_lane (something)")
    foreign.close()
    url = f"sqlite:///{tmp_path}/x.db"

    assert main(["ingest", "--broker", broker.url, "--database", url]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ftu-agent: sqlite://")
    assert "column" in line


class Process:
    """`ftu-agent ingest` as users run it."""

    def __init__(self, broker: Mosquitto, url: str, workers: int) -> None:
        words = ["ingest", "--broker", broker.url, "--database", url, "--workers", str(workers)]
        self._command = [sys.executable, "-m", "agent", *words]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def children(self) -> list[int]:
        assert self._process is not None
        path = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def end(self) -> int:
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(timeout=10)


@pytest.mark.parametrize(("database", "workers"), BOTH, indirect=["database"])
def test_killed_anywhere_it_loses_nothing_and_doubles_nothing(
    broker: Mosquitto,
    database: str,
    workers: int,
) -> None:
    process = Process(broker, database, workers)

    async def scenario() -> None:
        async with pretending(broker.url) as node:
            resending = asyncio.create_task(resend(node, 600))
            try:
                for after_s in (0.9, 0.35):
                    process.start()
                    await asyncio.sleep(after_s)  # anywhere: while it starts, takes, commits
                    children = process.children()
                    process.kill()
                    await eventually(lambda pids=children: not any(map(processes.alive, pids)))
                process.start()
                await eventually(lambda: node.acked() == 600, 30)
                (found,) = await in_database(database)
                assert (found.received, found.differs, found.whole) == (600, 0, True)
            finally:
                resending.cancel()
                await asyncio.gather(resending, return_exceptions=True)
                assert process.end() == 0

    run(scenario(), 60)


async def resend(node: Pretender, number: int) -> None:
    """As nodes do: what is not acknowledged goes out again."""
    while node.acked() < number:
        first = node.acked() + 1
        for seq in range(first, min(number, first + 150) + 1, 3):
            await node.say(records(seq, min(3, number - seq + 1)))
        await asyncio.sleep(0.2)


def test_a_worker_that_is_killed_is_replaced(broker: Mosquitto, tmp_path: Path) -> None:
    process = Process(broker, f"sqlite:///{tmp_path}/x.db", 2)

    async def scenario() -> None:
        async with pretending(broker.url, "other") as node:
            process.start()
            try:
                await eventually(lambda: len(process.children()) == 2)
                killed = process.children()
                for pid in killed:
                    os.kill(pid, signal.SIGKILL)
                resending = asyncio.create_task(resend(node, 30))
                await eventually(lambda: node.acked() == 30, 20)
                assert not set(killed) & set(process.children())
                await resending
            finally:
                assert process.end() == 0

    run(scenario(), 60)


def test_a_worker_that_nobody_wants_any_more_ends_without_a_word() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "agent.ingest"], input=b"", capture_output=True, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


HIGH = ingester.HIGHEST_SEQ


@pytest.mark.parametrize("payload", [records(HIGH + 1), lost(5, HIGH + 1), b"\xff"])
def test_what_no_database_can_count_is_told_and_stops_nothing(payload: bytes) -> None:
    told: list[str] = []
    worker = ingester.Worker("scada", told.append, share=False)

    assert worker.take("ftu/1/site/node/e/a", payload) == []
    assert len(told) == 1
    assert len(worker.take("ftu/1/site/node/e/a", records(HIGH))) == 1


def test_invented_nodes_end_at_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingester, "NODES", 2)
    told: list[str] = []
    acker = ingester.Acker("scada", told.append)

    taken = [
        len(acker.take(f"ftu/1/site/{node}/birth", birth(node, {"a": 1})))
        for node in ("n1", "n2", "n3", "n1")
    ]

    assert taken == [1, 1, 0, 1]
    assert len(told) == 1


def test_check_says_what_is_missing_and_ends_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from agent.ingest_rows import rows_of
    from agent.store.entries import Key
    from agent.uplink.delivered import Received
    from tests.agent.uplink.pretender import entry_of

    url = f"sqlite:///{tmp_path}/x.db"
    tables = Database(url)
    tables.create()
    for seqs, status, says in (
        ((1, 2), 0, "site/node epoch 5 lane a: 1..2, received 2, declared lost 0\n"),
        ((5,), 1, "site/node epoch 5 lane a: 1..5, received 3, declared lost 0, MISSING 3..4\n"),
    ):
        came = [Received("site", Key("node", 5, "a", seq), entry_of(seq), 0) for seq in seqs]
        tables.write(rows_of(came))
        assert main(["ingest", "--database", url, "--check"]) == status
        assert capsys.readouterr().out == says
    tables.close()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--database", "sqlite:///x.db"], "no --broker"),
        (["--broker", "mqtt://h", "--database", "x"], "--database"),
        (["--broker", "h", "--database", "sqlite:///x.db"], "broker"),
        (["--broker", "mqtt://h", "--database", "sqlite:///x.db", "--workers", "0"], "--workers"),
        (["--broker", "mqtt://h", "--database", "sqlite:///x.db", "--consumer", "+"], "--consumer"),
    ],
)
def test_wrong_use_is_one_line(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ingest", *words]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1


def test_what_was_found_of_the_evidence_stands_in_the_file_for_prometheus(
    broker: Mosquitto, tmp_path: Path
) -> None:
    file = tmp_path / "ingest.prom"

    async def scenario() -> None:
        async with ingesting(broker, f"sqlite:///{tmp_path}/x.db", metrics=file):
            async with pretending(broker.url) as node:
                await eventually(lambda: bool(node.acks))
                await node.say(records(1, 3))
            await eventually(file.exists)
            assert "# TYPE ftu_ingest_findings gauge" in file.read_text()

    run(scenario())
