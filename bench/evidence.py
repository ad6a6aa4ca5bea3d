"""What vouching for the log costs: CPU of a record in link, of a head, of a record in `verify`.

A record is an alarm as guard stores it. References in the same run: the lane read and decoded by
link anyway, without any chain; and SHA-256 alone over the same bytes.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

from agent.clock import Stamp
from agent.heads import Heads
from agent.records import Event
from agent.store import cbor, device_key, entries
from agent.store.journal import Journal, LaneReader, Stored
from agent.store.proof import prove
from bench.table import Row, interleaved

ROOT = Path(__file__).parents[1]
NOW = Stamp(3, 7_000_000, 1_795_478_400_000_000, 2, 1024)
NAMES = ("hebin", "ftu-7")


def rows(quick: bool) -> Iterator[Row]:
    """Four figures in some ten seconds."""
    (ROOT / "build").mkdir(exist_ok=True)
    count, runs = (5_000, 3) if quick else (50_000, 7)
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as place:
        folder = Path(place)
        journal = _lane(folder / "log", count)
        with journal:
            yield from _link(folder, journal, count, runs)
            yield from _head(folder, journal, 100 if quick else 1000)
        yield from _verify(folder, count, runs)


def _lane(log: Path, count: int) -> Journal:
    event = Event(event="fault", bay="head", t_us=NOW.mono_us, alarm=True, kind="BC")
    payload = cbor.dumps(entries.event_entry(event, NOW, logged_us=NOW.mono_us + 3_000))
    journal = Journal.open(log, "as")
    for _ in range(count):
        journal.append("a", payload, sync=False)
    journal.sync()
    return journal


def _link(folder: Path, journal: Journal, count: int, runs: int) -> Iterator[Row]:
    chained, decoded, hashed = interleaved(
        runs,
        lambda: _per_record(lambda: _chain(folder, journal), count),
        lambda: _per_record(lambda: _decode(folder / "log"), count),
        lambda: _per_record(lambda: _hash(folder / "log"), count),
    )
    what = "evidence: CPU of a record in link, heads included"
    yield Row(
        what=what,
        value=chained,
        unit="us",
        reference="read and decoded only",
        reference_value=decoded,
    )
    yield Row(
        what="evidence: the same, the chain alone",
        value=chained - decoded,
        unit="us",
        reference="read, SHA-256 only",
        reference_value=hashed,
    )


def _per_record(do: Callable[[], None], count: int) -> float:
    begun = time.process_time()
    do()
    return (time.process_time() - begun) / count * 1e6


def _chain(folder: Path, journal: Journal) -> None:
    """As after an update: the whole lane, with a head for each 512, which are not kept."""
    heads = Heads(
        log=folder / "log",
        journal=_Unwritten(journal),  # type: ignore[arg-type]
        key=device_key.settle(folder, *NAMES),
        names=NAMES,
        stamp=lambda: NOW,
        tell=print,
    )
    while heads.step():
        pass


class _Unwritten:
    """A journal that takes heads and forgets them, so that each run is of the same lane."""

    def __init__(self, journal: Journal) -> None:
        self.epoch = journal.epoch

    def append(self, lane: str, payload: bytes) -> None:
        """Nothing."""


def _decode(log: Path) -> None:
    with LaneReader(log, "a") as reader:
        while items := reader.read(64):
            for item in items:
                if isinstance(item, Stored):
                    cbor.loads(item.payload)


def _hash(log: Path) -> None:
    with LaneReader(log, "a") as reader:
        while items := reader.read(64):
            for item in items:
                if isinstance(item, Stored):
                    sha256(item.payload)


def _head(folder: Path, journal: Journal, count: int) -> Iterator[Row]:
    """Signed, and on disk."""
    key = device_key.settle(folder, *NAMES)
    audit = cbor.dumps(entries.audit_entry(NOW, "door"))
    heads = Heads(
        log=folder / "log",
        journal=journal,
        key=key,
        names=NAMES,
        stamp=lambda: NOW,
        tell=print,
    )
    while heads.step():
        pass
    heads.stop()
    begun = time.process_time()
    for _ in range(count):
        journal.append("s", audit, sync=False)
        heads.stop()
    took = (time.process_time() - begun) / count * 1e6
    yield Row(what="evidence: CPU of a head, signed and on disk", value=took, unit="us")


def _verify(folder: Path, count: int, runs: int) -> Iterator[Row]:
    public = device_key.read_public(folder / device_key.PUBLIC_FILE)
    proof = prove(folder / "log", public)
    if proof.findings or proof.lanes[0].records != count:
        raise RuntimeError(f"the log does not prove itself: {proof}")
    (proven,) = interleaved(
        max(1, runs // 2), lambda: _per_record(lambda: _prove(folder / "log", public), count)
    )
    yield Row(what="evidence: CPU of a record in `journal verify`", value=proven, unit="us")


def _prove(log: Path, public: device_key.PublicKey) -> None:
    prove(log, public)
