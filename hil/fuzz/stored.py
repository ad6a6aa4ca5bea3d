"""Files that the agent finds on its own disk: torn, worn, or written by a stranger.

Most of them carry a check sum, which random bytes never match; so a target also seals what it is
fed, as somebody would who wants to do harm.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import struct
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from agent.store import disk, segment, slots
from agent.store.cursors import Cursors
from agent.store.documents import Documents
from agent.store.journal import Journal, LaneReader, Lost, Stored, export, verify
from agent.uplink.marks import MarkFile
from hil.fuzz.oracle import Defect, same, shown

_MEMORY = Path("/dev/shm")  # noqa: S108  a folder of this process alone is made in it
_EPOCH = 7


@functools.cache
def folder() -> Path:
    """A folder of this process, in memory where the system has such a place; gone at its end."""
    made = tempfile.mkdtemp(prefix="ftu-fuzz-", dir=_MEMORY if _MEMORY.is_dir() else None)
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return Path(made)


# --- the log ---

_LANES = "ah"
_RECORDS = (b"\x80", b"\x81\x01", b"\x43abc", b"\x83\x01\x02\x03")
_REPLACED, _PATCHED, _CUT, _SEALED = range(4)


@functools.cache
def _healthy() -> dict[str, bytes]:
    """The files of a small log, without the zeros that are only reserved."""
    root = folder() / "healthy"
    with Journal.open(root, _LANES) as journal:
        for lane in _LANES:
            for record in _RECORDS:
                journal.append(lane, record)
    names = sorted(path for path in root.iterdir() if path.suffix != ".lock")
    return {path.name: path.read_bytes().rstrip(b"\0") for path in names}


def log(data: bytes) -> None:
    """One file of a log is another one: it opens, accounts for every seq, and goes on.

    The first byte chooses the file, the second what is done to it, two more the place.
    """
    if len(data) < 4:
        return
    healthy = dict(_healthy())
    name = list(healthy)[data[0] % len(healthy)]
    place = int.from_bytes(data[2:4], "little")
    healthy[name] = _damaged(name, healthy[name], data[1] % 4, place, data[4:])
    root = folder() / "log"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for each, content in healthy.items():
        (root / each).write_bytes(content)
    verify(root)
    with Journal.open(root, _LANES) as journal:
        for lane in _LANES:
            _goes_on(root, journal, lane)
    for report in verify(root).lanes:
        for line in report.problems:
            shown(line)


def _damaged(name: str, whole: bytes, how: int, place: int, body: bytes) -> bytes:
    if how == _REPLACED:
        return body
    if how == _CUT:
        return whole[:place]
    if how == _PATCHED:
        return whole[:place] + body + whole[place + len(body) :]
    return _sealed(name, whole, body)


def _sealed(name: str, whole: bytes, body: bytes) -> bytes:
    """What it says is foreign, its check sums are right."""
    if name.endswith(".removed"):
        path = folder() / "slot"
        path.unlink(missing_ok=True)
        slots.write(path, 1, body[: slots.LONGEST_BODY], sync=False)
        return path.read_bytes()
    header = segment.parse_header(whole)
    if header is None:
        return disk.checked_line(body.decode("ascii", "replace"))
    records = [part for part in body.split(b"\n") if part] or [b"\x80"]
    return header.raw + segment.make_frames(header.seed, header.first_seq, records)


def _goes_on(root: Path, journal: Journal, lane: str) -> None:
    before = journal.next_seq(lane)
    same(_accounted(root, lane), before, f"lane {lane}: seqs that are there or declared lost")
    same(journal.append(lane, b"\x80"), before, f"lane {lane}: the seq of the next record")
    same(_accounted(root, lane), before + 1, f"lane {lane}: after it")


def _accounted(root: Path, lane: str) -> int:
    """The seq behind the last one. Raises: Defect where one is neither there nor declared lost."""
    following = 1
    with LaneReader(root, lane) as reader:
        while items := reader.read(1000):
            for item in items:
                first = item.seq if isinstance(item, Stored) else item.first
                if first != following:
                    raise Defect(f"lane {lane}: {first} follows {following - 1}")
                following = (item.last if isinstance(item, Lost) else item.seq) + 1
    return following


def log_examples() -> Iterator[bytes]:
    """Each file cut, patched and replaced by itself."""
    for number, content in enumerate(_healthy().values()):
        yield bytes([number, _CUT]) + struct.pack("<H", len(content) // 2)
        yield bytes([number, _PATCHED]) + struct.pack("<H", 20) + b"\xff"
        yield bytes([number, _REPLACED, 0, 0]) + content
        yield bytes([number, _SEALED, 0, 0]) + b"\n".join(_RECORDS)


def exported(data: bytes) -> None:
    """A folder with one foreign file, as somebody hands over a copy of a log: it is judged."""
    if not data:
        return
    root = folder() / "copy"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for number, name in enumerate(("a-00000000000000000001.seg", "epoch")):
        part = data[1:] if number == data[0] % 2 else _healthy()[name]
        (root / name).write_bytes(part)
    report = verify(root)
    for line in (*report.problems, *(line for lane in report.lanes for line in lane.problems)):
        shown(line)
    for _ in export(root):
        pass


def exported_examples() -> Iterator[bytes]:
    """The copy as it should be."""
    yield b"\x00" + _healthy()["a-00000000000000000001.seg"]
    yield b"\x01" + _healthy()["epoch"]


# --- small files ---


def marks(data: bytes) -> None:
    """Cursors of a node, in two slots; sealed where the first byte says so. They always open."""
    path = folder() / "cursors"
    path.unlink(missing_ok=True)
    if data[:1] == b"\x01":
        slots.write(path, 1, data[1 : 1 + slots.LONGEST_BODY], sync=False)
    else:
        path.write_bytes(data[1:])
    cursors = Cursors(path, epoch=_EPOCH)
    for name in ("scada", "+sent"):
        same(type(cursors.mark(name, "a")), int, "a mark's type")
    cursors.advance("scada", "a", cursors.mark("scada", "a") + 1)
    cursors.marks()
    cursors.save()
    same(Cursors(path, epoch=_EPOCH).marks(), cursors.marks(), "saved and read again")


def marks_examples() -> Iterator[bytes]:
    """The body of a slot, and a whole file."""
    yield b'\x01{"epoch":7,"marks":{"scada":{"a":3,"h":9},"+sent":{"a":4}}}'
    path = folder() / "example"
    slots.write(path, 1, b'{"epoch":7,"marks":{}}', sync=False)
    yield b"\x00" + path.read_bytes().rstrip(b"\0")


def consumer_marks(data: bytes) -> None:
    """The memory of a consumer; sealed where the first byte says so."""
    path = folder() / "marks"
    for old in folder().glob("marks*"):
        old.unlink()
    body = data[1:]
    path.write_bytes(body + (b"%08x\n" % zlib.crc32(body) if data[:1] == b"\x01" else b""))
    told: list[str] = []
    file = MarkFile(path, "scada", told.append)
    loaded = file.load()
    file.save(loaded)
    same(_plain(MarkFile(path, "scada", told.append).load()), _plain(loaded), "saved, read again")
    for line in told:
        shown(line)


def _plain(loaded: object) -> str:
    return str(
        {
            place: {e: {lane: s.ranges() for lane, s in lanes.items()} for e, lanes in logs.items()}
            for place, logs in loaded.items()  # type: ignore[attr-defined]
        }
    )


def consumer_marks_examples() -> Iterator[bytes]:
    """A file of one node with a hole."""
    head = b'\x01{"version":1,"generation":3,"consumer":"scada","nodes":'
    yield head + b'[["site","node",[[7,{"a":[[1,5],[8,9]]}]]]]}\n'


def documents(data: bytes) -> None:
    """The versions of the settings, sealed as the agent seals them."""
    path = folder() / "documents" / "settings.json"
    path.parent.mkdir(exist_ok=True)
    body = data[1:]
    head = b"ftu-sealed 1 %d %08x\n" % (len(body), zlib.crc32(body)) if data[:1] == b"\x01" else b""
    path.write_bytes(head + body)
    history = Documents(folder(), "settings").history()
    for line in history.told:
        shown(line)
    if history.active is not None:
        same(history.version(history.number), history.active, "the version that rules")


def documents_examples() -> Iterator[bytes]:
    """A database without versions, and one with a version that does not hold."""
    yield b'\x01{"versions":{}}'
    yield (
        b'\x01{"versions":{"1":{"number":1,"parent":0,"digest":"00","content":{"head":{"a":1}},'
        b'"author":"me","reason":"why","utc":"2026-01-01T00:00:00Z"}}}'
    )
