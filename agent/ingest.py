"""`ftu-agent ingest`: the reference ingester, from a broker into a database.

Workers take records in any order, each batch in one transaction, and hold no memory of their own.
One acker reads births and states, looks in the database how far each lane is whole, acknowledges
that and asks for what is missing. So several workers may share the records of one node between them
(MQTT's shared subscriptions split them), and whoever is killed wherever: what was not committed was
not acknowledged, and what comes again is there already.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
import sys
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from agent.errors import AgentError, RecordError, StoreError, UsageError
from agent.ingest_check import check
from agent.ingest_rows import rows_of, unsigned
from agent.ingest_store import Away, Database, Place
from agent.ingest_witness import IngestWitness, counts, exposition
from agent.metrics import write_file
from agent.store import cbor
from agent.uplink import topics, wire
from agent.uplink.backoff import Backoff
from agent.uplink.broker import parse_broker
from agent.uplink.consumer import BIRTHS, LANES, NODES, STATES, asked, listen, span
from agent.uplink.delivered import Birth, DeclaredLost, Delivered, Received, State, opened
from agent.uplink.gaps import WINDOW_US, Gaps

# A database that is away may be starting; one that stays away is looked for once a minute.
FIRST_US, LONGEST_US = 200_000, 60_000_000
# A worker says when it has committed; this often the acker looks all the same.
LOOK_S = 1.0
# Marks are looked at no more often than this, however many batches are committed meanwhile.
LEAST_S = 0.1
# As often as a terminal renews its own file for Prometheus.
MEASURE_S = 15.0
# A worker that was killed is started again after this.
RESTART_S = 1.0
# A utility's machine has so many processors; beyond it the database is the limit.
MOST_WORKERS = 64
# What a database of 64 bits with a sign can still count on from.
HIGHEST_SEQ = 1 << 62

_Answer = TypeVar("_Answer")
Tell = Callable[[str], None]


def run(url: str, database: str, name: str, workers: int, metrics: Path | None = None) -> int:
    """Ingest until SIGTERM or Ctrl-C. metrics: a file for Prometheus.

    Raises: UsageError, UplinkError, StoreError.
    """
    parse_broker(url)
    try:
        topics.check_name(name)
    except ValueError as error:
        raise UsageError("--consumer", str(error)) from error
    if not 0 < workers <= MOST_WORKERS:
        raise UsageError("--workers", f"{workers}", f"1 to {MOST_WORKERS}")
    Database(database).close()  # a URL that cannot be is told now
    asyncio.run(_until_signal(ingest(url, database, name, workers, tell=_tell, metrics=metrics)))
    return 0


def run_check(database: str) -> int:
    """Print what is there of every lane; 1 where something is neither there nor declared lost."""
    opened_now = Database(database, existing=True)
    found = check(opened_now)
    opened_now.close()
    sys.stdout.write("".join(f"{lane}\n" for lane in found))
    return 0 if all(lane.whole for lane in found) else 1


async def ingest(
    url: str,
    database: str,
    name: str,
    workers: int,
    *,
    tell: Tell,
    metrics: Path | None = None,
    **options: Any,
) -> None:
    """Until cancelled. options: of `listen`. Raises: StoreError for what will never work."""
    desk = Desk(Database(database), tell)
    committed = asyncio.Event()
    acker, witness = Acker(name, tell), IngestWitness(tell)
    try:
        await desk.do(Database.create)
        async with asyncio.TaskGroup() as tasks:
            if workers == 1:
                worker = Worker(name, tell, share=False)
                works = work(url, worker, desk, committed.set, tell=tell, **options)
                tasks.create_task(works, name="worker")
            for number in range(workers if workers > 1 else 0):
                task = {"url": url, "database": database, "name": name}
                tasks.create_task(_employ(task, number, committed.set, tell))
            hears = _hear(url, acker, desk, committed, witness, tell=tell, **options)
            tasks.create_task(hears, name="births")
            tasks.create_task(_look(acker, desk, committed, witness), name="marks")
            if metrics is not None:
                tasks.create_task(_measure(metrics, desk, tell), name="metrics")
    except ExceptionGroup as errors:
        known = errors.subgroup(AgentError)
        raise (known or errors).exceptions[0] from errors
    finally:
        desk.close()


async def work(
    url: str,
    worker: Worker,
    desk: Desk,
    committed: Callable[[], None],
    *,
    tell: Tell,
    **options: Any,
) -> None:
    """Records into the database, batch by batch, until cancelled."""
    async with contextlib.aclosing(listen(url, worker, tell=tell, **options)) as batches:
        async for batch in batches:
            await desk.do(partial(Database.write, rows=rows_of(batch)))
            committed()


class Worker:
    """Takes every record and loss, new or not. share: among all workers of this name."""

    ack = False

    def __init__(self, name: str, tell: Tell, *, share: bool) -> None:
        self.name = name
        self.sites: set[str] = set()
        self.filters = [f"$share/{name}/{lane}" for lane in LANES] if share else LANES
        self._tell = tell

    def take(self, topic: str, payload: bytes) -> list[Delivered]:
        """Everything in a message; what cannot be taken is told."""
        return _taken(topic, payload, self._tell)

    def commit(self) -> None:
        """Nothing is remembered here."""

    def acks(self) -> list[tuple[str, bytes]]:
        """None: that is the acker's."""
        return []

    def acked(self, topic: str, payload: bytes) -> None:
        """Nothing to remember."""

    def requests(self, now_us: int, utc_us: int) -> list[tuple[str, bytes]]:  # noqa: ARG002
        """None: that is the acker's."""
        return []


class Acker:
    """Acknowledges what the database holds, and asks for what it does not.

    It is the only one that speaks under the consumer's name, whatever the number of workers.
    """

    ack = True
    filters = (BIRTHS, STATES)

    def __init__(self, name: str, tell: Tell, *, window_us: int = WINDOW_US) -> None:
        self.name = name
        self.sites: set[str] = set()
        self._tell = tell
        self._nodes: set[tuple[str, str]] = set()
        self._gaps = Gaps(window_us=window_us)
        self._holes: dict[Place, tuple[int, int] | None] = {}
        self._payloads: dict[str, bytes] = {}
        self._due: dict[str, None] = {}

    def take(self, topic: str, payload: bytes) -> list[Delivered]:
        """Births and states."""
        taken = _taken(topic, payload, self._tell)
        return [each for each in taken if isinstance(each, Birth | State) and self._knows(each)]

    def _knows(self, each: Birth | State) -> bool:
        place = (each.site, each.node)
        if place not in self._nodes and len(self._nodes) >= NODES:
            self._tell(f"{each.site}/{each.node} is one node too many; at most {NODES}")
            return False
        self._nodes.add(place)
        self.sites.add(each.site)
        return True

    def commit(self) -> None:
        """What is acknowledged comes from the database alone."""

    def acks(self) -> list[tuple[str, bytes]]:
        """Of nodes whose marks moved, and of those that have just said who they are."""
        return [(topic, self._payloads[topic]) for topic in self._due]

    def acked(self, topic: str, payload: bytes) -> None:
        """Published, unless a later one is due by now."""
        if self._payloads[topic] == payload:
            self._due.pop(topic, None)

    def requests(self, now_us: int, utc_us: int) -> list[tuple[str, bytes]]:
        """For holes that have stood long enough."""
        holes, self._holes = self._holes, {}
        for place, hole in holes.items():
            self._gaps.stands(place, hole, now_us)
        return [asked(each, utc_us) for each in self._gaps.due(now_us)]

    def marked(self, marks: dict[Place, int], born: Iterable[tuple[str, str]]) -> None:
        """What the database holds of each lane; `born`: nodes that are answered in any case."""
        lanes: dict[tuple[str, str, int], dict[str, int]] = {}
        for (site, node, epoch, lane), mark in marks.items():
            lanes.setdefault((site, node, unsigned(epoch)), {})[lane] = mark
        again = set(born)
        for (site, node, epoch), told in lanes.items():
            topic = topics.topic(topics.ACK, site, node, self.name)
            payload = cbor.dumps(wire.ack(epoch, told))
            if self._payloads.get(topic) != payload or (site, node) in again:
                self._payloads[topic] = payload
                self._due[topic] = None

    def missing(self, holes: dict[Place, tuple[int, int] | None]) -> None:
        """The lowest hole of each lane, as the database has it."""
        self._holes = {
            (site, node, unsigned(epoch), lane): hole
            for (site, node, epoch, lane), hole in holes.items()
        }


class Desk:
    """A database in a thread of its own; what it cannot take now waits until it can."""

    def __init__(self, database: Database, tell: Tell) -> None:
        self._database = database
        self._tell = tell
        self._pause: Backoff | None = None  # since it is away
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="database")

    async def do(self, what: Callable[[Database], _Answer]) -> _Answer:
        """Its answer, however long the database is away. Raises: StoreError, never Away."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                answer = await loop.run_in_executor(self._thread, what, self._database)
            except Away as error:
                if self._pause is None:
                    self._tell(f"{error}; nothing is acknowledged until it is back")
                    self._pause = Backoff(random.SystemRandom().randrange, FIRST_US, LONGEST_US)
                await asyncio.sleep(self._pause.failed(0) / 1e6)
                continue
            if self._pause is not None:
                self._pause = None
                self._tell(f"{self._database.where}: back")
            return answer

    def close(self) -> None:
        """When what it is doing is done."""
        self._thread.submit(self._database.close)
        self._thread.shutdown(wait=False)


def _taken(topic: str, payload: bytes, tell: Tell) -> list[Delivered]:
    try:
        taken = opened(topic, payload)
        for each in taken:
            if isinstance(each, Received | DeclaredLost) and span(each)[2] > HIGHEST_SEQ:
                raise RecordError("seq", str(span(each)[2]), f"at most {HIGHEST_SEQ}")
    except (RecordError, ValueError) as error:
        tell(f"{topic}: {error}")
        return []
    return taken


async def _hear(
    url: str,
    acker: Acker,
    desk: Desk,
    committed: asyncio.Event,
    witness: IngestWitness,
    *,
    tell: Tell,
    **options: Any,
) -> None:
    """Births and states into the database; a birth is answered with an acknowledgement."""
    async with contextlib.aclosing(listen(url, acker, tell=tell, **options)) as batches:
        async for batch in batches:
            rows = rows_of(batch)
            await desk.do(partial(Database.write, rows=rows))
            births = [each for each in batch if isinstance(each, Birth)]
            born = {(each.site, each.node) for each in births}
            for each in births:
                await desk.do(partial(witness.born, birth=each))
            if born:
                acker.marked(_of(await desk.do(Database.marks), born), born)
            committed.set()


async def _look(acker: Acker, desk: Desk, committed: asyncio.Event, witness: IngestWitness) -> None:
    """Marks and holes as they move, and whether what is there is what was signed."""
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await committed.wait()
        committed.clear()
        places = await desk.do(Database.move_marks)
        if places:
            moved = {(site, node) for site, node, _, _ in places}
            acker.marked(_of(await desk.do(Database.marks), moved), ())
            # Behind the acknowledgement: whatever was signed, it is here.
            await desk.do(partial(witness.moved, places=places))
        acker.missing(await desk.do(Database.holes))
        await desk.do(witness.look)
        await asyncio.sleep(LEAST_S)


async def _measure(file: Path, desk: Desk, tell: Tell) -> None:
    """The figures of the evidence into the file, now and then."""
    trouble = ""
    while True:
        text = exposition(await desk.do(counts))
        try:
            write_file(file, text)
            trouble = ""
        except StoreError as error:
            if str(error) != trouble:
                trouble = str(error)
                tell(trouble)
        await asyncio.sleep(MEASURE_S)


def _of(marks: dict[Place, int], nodes: set[tuple[str, str]]) -> dict[Place, int]:
    return {place: mark for place, mark in marks.items() if place[:2] in nodes}


# --- workers as processes ------------------------------------------------------------------------


async def _employ(
    task: dict[str, str], number: int, committed: Callable[[], None], tell: Tell
) -> None:
    """A worker's process, started again whenever it ends."""
    while True:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "agent.ingest",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        if process.stdin is None or process.stdout is None:
            raise StoreError("worker", "has no pipes")
        try:
            # Not as arguments: the URLs may hold passwords, and everybody may read those.
            process.stdin.write(json.dumps(task).encode() + b"\n")
            while await process.stdout.read(4096):
                committed()
            tell(f"worker {number} ended with status {await process.wait()}; starting it again")
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
        await asyncio.sleep(RESTART_S)


async def _as_worker() -> None:
    """The worker's side: its task comes as a line, a line goes back for each commit.

    The end of its standard input is the end of whom it works for.
    """
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    line = await reader.readline()
    if not line:  # it was killed before it could say what to do
        return
    task = json.loads(line)
    worker = Worker(task["name"], _tell, share=True)
    # That the database is away is told once, by whom this works for.
    desk = Desk(Database(task["database"]), lambda _: None)
    works = asyncio.create_task(work(task["url"], worker, desk, _say_committed, tell=_tell))
    left = asyncio.create_task(reader.read())
    try:
        await asyncio.wait({works, left}, return_when=asyncio.FIRST_COMPLETED)
        if works.done():
            works.result()
    finally:
        for each in (works, left):
            each.cancel()
        await asyncio.gather(works, left, return_exceptions=True)
        desk.close()


def _say_committed() -> None:
    sys.stdout.write("\n")
    sys.stdout.flush()


async def _until_signal(works: Coroutine[Any, Any, None]) -> None:
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel if task else loop.stop)
    with contextlib.suppress(asyncio.CancelledError):
        await works


def _tell(line: str) -> None:
    sys.stderr.write(f"ftu-agent ingest: {line}\n")


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        try:
            asyncio.run(_until_signal(_as_worker()))
        except AgentError as failed:
            _tell(str(failed))
            sys.exit(2)
