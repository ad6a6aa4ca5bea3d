"""What is left of a sealed file after any cut, refusal, flip or stranger."""

from __future__ import annotations

import errno
import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.errors import StoreError
from agent.store.sealed import MOST_BYTES, SET_ASIDE, Content, Sealed

OLDER, OLD, NEW = b"older" * 3, b"old" * 9, b"new" * 7


def check(body: bytes) -> None:
    if body.startswith(b"stranger"):
        raise ValueError("is a stranger's")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "set.json"


def sealed(path: Path) -> Sealed:
    return Sealed(path, check)


def write(path: Path, *bodies: bytes) -> None:
    for body in bodies:
        file = sealed(path)
        with file.locked():
            file.replace(body, file.read())


def read(path: Path) -> Content:
    return sealed(path).read()


def test_nothing_is_there_before_the_first(path: Path) -> None:
    assert read(path) == Content(b"", "new", ())
    assert sealed(path).state() is None
    assert list(path.parent.iterdir()) == []  # reading leaves no trace


def test_what_was_written_is_read_and_the_one_before_is_kept(path: Path) -> None:
    states = set()
    for body in (OLDER, OLD, NEW):
        write(path, body)
        assert read(path) == Content(body, "whole", ())
        states.add(sealed(path).state())
    assert len(states) == 3
    path.unlink()
    assert read(path).body == OLD
    assert sorted(each.name for each in path.parent.iterdir()) == ["set.json.1", "set.json.lock"]


# --- a power cut: everything that a disk may hold after one ---

Disk = dict[str, bytes]
MOVES = ("link", "rename", "replace")


class Trace:
    """The system calls of one replacement, as they change what a disk holds.

    Until its directory is synced, a change of a name may be lost, each by itself; until a file is
    synced, any beginning of it may be all that is there.
    """

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self.calls: list[tuple[str, str, Any]] = []
        self._names: dict[int, str] = {}
        self._folder = folder
        for name in ("open", "write", "fsync", "link", "rename", "replace", "unlink"):
            patch.setattr(os, name, self._wrapped(name, getattr(os, name)))

    def _wrapped(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(first: Any, *rest: Any, **options: Any) -> Any:
            answer = real(first, *rest, **options)
            if name == "open":
                self._names[answer] = os.path.relpath(first, self._folder)
                if not rest[0] & os.O_CREAT or first.name.endswith(".lock"):
                    return answer
            what = self._names[first] if isinstance(first, int) else first.name
            to = rest[0] if name == "write" else Path(rest[0]).name if name in MOVES else None
            self.calls.append((name, what, to))
            return answer

        return call


def after_a_cut(before: Disk, calls: list[tuple[str, str, Any]]) -> Iterator[Disk]:
    """Every disk that a cut right after these calls can leave."""
    last_sync = max((k for k, c in enumerate(calls) if c[:2] == ("fsync", ".")), default=-1)
    synced = {c[1] for c in calls if c[0] == "fsync"}
    loose = [k for k, c in enumerate(calls) if k > last_sync and c[0] not in ("write", "fsync")]
    for kept in itertools.product((True, False), repeat=len(loose)):
        lost = {k for k, keep in zip(loose, kept, strict=True) if not keep}
        content = b"".join(c[2] for c in calls if c[0] == "write")
        for length in [len(content)] if "set.json.new" in synced else range(len(content) + 1):
            disk = dict(before)
            for k, (name, what, to) in enumerate(calls):
                if k in lost:
                    continue
                if name == "open":
                    disk[what] = content[:length]
                elif name == "unlink":
                    disk.pop(what, None)
                elif what in disk and name == "link":
                    disk[to] = disk[what]
                elif what in disk and name in ("replace", "rename"):
                    disk[to] = disk.pop(what)
            yield disk


def holding(folder: Path) -> Disk:
    return {each.name: each.read_bytes() for each in folder.iterdir() if each.suffix != ".lock"}


def lay_out(folder: Path, disk: Disk) -> None:
    for each in folder.iterdir():
        each.unlink()
    for name, data in disk.items():
        (folder / name).write_bytes(data)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("bodies", "damage", "holds"),
    [
        ((), (), b""),
        ((OLD,), (), OLD),
        ((OLDER, OLD), (), OLD),
        ((OLD, NEW), ("set.json",), OLD),
        ((OLDER, OLD), ("set.json", "set.json.1"), b""),
    ],
    ids=["first", "second", "third", "over-a-damaged-one", "over-two-damaged-ones"],
)
def test_a_cut_after_any_call_at_any_byte_leaves_the_old_or_the_new(
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    bodies: tuple[bytes, ...],
    damage: tuple[str, ...],
    holds: bytes,
) -> None:
    write(path, *bodies)
    for name in damage:
        flip(path.with_name(name))
    before = holding(path.parent)
    with monkeypatch.context() as patch:
        trace = Trace(patch, path.parent)
        write(path, b"brand " + NEW)
    seen = set()
    for done in range(len(trace.calls) + 1):
        for disk in after_a_cut(before, trace.calls[:done]):
            lay_out(path.parent, disk)
            content = read(path)
            assert content.body in (holds, b"brand " + NEW), (trace.calls[:done], disk)
            assert content.found != "new" or not before
            seen.add((content.body, done == len(trace.calls)))
            write(path, b"after it")
            assert read(path) == Content(b"after it", "whole", ())
    assert seen == {(holds, False), (b"brand " + NEW, False), (b"brand " + NEW, True)}


# --- what the system refuses ---


def refusing(real: Callable[..., Any], nth: int, code: int) -> Callable[..., Any]:
    """The call, but refused when it comes for the nth time, counted from 0."""
    count = itertools.count()

    def call(*args: Any, **options: Any) -> Any:
        if next(count) == nth:
            raise OSError(code, os.strerror(code))
        return real(*args, **options)

    return call


CALLS = [("open", 2), ("write", 1), ("fsync", 2), ("link", 1), ("replace", 2)]


@pytest.mark.parametrize(
    ("name", "nth"), [(name, nth) for name, times in CALLS for nth in range(times)]
)
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO], ids=errno.errorcode.get)
def test_a_refused_call_is_one_line_and_the_old_still_holds(
    path: Path, monkeypatch: pytest.MonkeyPatch, name: str, nth: int, code: int
) -> None:
    write(path, OLDER, OLD)
    file = sealed(path)
    with file.locked(), monkeypatch.context() as patch:
        content = file.read()
        patch.setattr(os, name, refusing(getattr(os, name), nth, code))
        with pytest.raises(StoreError, match=os.strerror(code)) as caught:
            file.replace(NEW, content)
    # Once it has its name it is there; what the folder's sync refused is said to be open.
    unconfirmed = name in ("open", "fsync") and nth == 1
    assert ("does not confirm" in str(caught.value)) == unconfirmed
    assert read(path) == Content(NEW if unconfirmed else OLD, "whole", ())
    assert not path.with_name("set.json.new").exists()


@pytest.mark.parametrize(("name", "times"), CALLS)
def test_these_are_all_the_calls_that_can_be_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch, name: str, times: int
) -> None:
    write(path, OLDER, OLD)
    file = sealed(path)
    with file.locked(), monkeypatch.context() as patch:
        content = file.read()
        patch.setattr(os, name, refusing(getattr(os, name), times, errno.EIO))
        file.replace(NEW, content)


def test_a_disk_that_takes_a_byte_at_a_time_gets_it_all(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:1]))
    write(path, OLD, NEW)
    assert read(path) == Content(NEW, "whole", ())


def test_a_full_disk_of_its_own_refuses_and_keeps(path: Path) -> None:
    """A real refusal of the kernel: the size that this process may give to a file."""
    write(path, OLD)
    program = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from agent.store.sealed import Sealed\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "file = Sealed(Path(sys.argv[1]), len)\n"
        "with file.locked(): file.replace(bytes(1000), file.read())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, check=False
    )
    assert "cannot be written (File too large)" in done.stderr.splitlines()[-1]
    assert read(path) == Content(OLD, "whole", ())


def test_too_much_is_refused_with_its_limit(path: Path) -> None:
    write(path, OLD, bytes(MOST_BYTES))
    with pytest.raises(StoreError, match=f"{MOST_BYTES + 1} bytes; expected at most {MOST_BYTES}"):
        write(path, bytes(MOST_BYTES + 1))
    assert read(path).body == bytes(MOST_BYTES)


def test_one_changes_it_at_a_time_and_readers_do_not_wait(path: Path) -> None:
    write(path, OLD)
    with sealed(path).locked():
        with pytest.raises(StoreError, match="is being changed by another process"):
            write(path, NEW)
        assert read(path).body == OLD
    write(path, NEW)
    assert read(path).body == NEW


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot be written \((Not a directory|File exists)\)"):
        write(tmp_path / "file/set.json", NEW)


# --- damage and strangers ---


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_a_flipped_byte_brings_the_previous_copy_and_is_told(path: Path, mask: int) -> None:
    write(path, OLD, NEW)
    whole = path.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= mask
        path.write_bytes(damaged)
        content = read(path)
        assert (content.body, content.found) == (OLD, "previous")
        assert str(path) in content.told[0]


def test_a_file_cut_at_any_byte_brings_the_previous_copy(path: Path) -> None:
    write(path, OLD, NEW)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert (read(path).body, read(path).found) == (OLD, "previous")


def of_another(path: Path) -> None:
    """Whole, but not what the caller knows."""
    Sealed(path, len).replace(b"stranger", Content(b"", "new", ()))


STRANGERS: dict[str, Callable[[Path], object]] = {
    "empty": Path.touch,
    "json": lambda path: path.write_text('{"versions": {"1": {"number": 1}}}'),
    "zeros": lambda path: path.write_bytes(bytes(300_000)),
    "content-of-another": of_another,
    "folder": Path.mkdir,
    "pipe": os.mkfifo,
    "loop": lambda path: path.symlink_to(path),
}


@pytest.mark.parametrize("put", STRANGERS.values(), ids=STRANGERS)
def test_a_stranger_in_its_place_is_told_set_aside_and_replaced(
    path: Path, put: Callable[[Path], object]
) -> None:
    put(path)
    content = read(path)
    assert (content.body, content.found, len(content.told)) == (b"", "damaged", 1)
    before = path.lstat()
    write(path, NEW)
    assert read(path) == Content(NEW, "whole", ())
    assert path.with_name("set.json.bad1").lstat().st_ino == before.st_ino


def test_what_is_set_aside_is_bounded_and_the_first_are_kept(path: Path) -> None:
    for turn in range(SET_ASIDE + 3):
        path.write_bytes(b"damage %d" % turn)
        write(path, NEW)
    found = {each.name: each.read_bytes() for each in path.parent.glob("*.bad*")}
    assert found == {
        **{f"set.json.bad{n + 1}": b"damage %d" % n for n in range(SET_ASIDE - 1)},
        f"set.json.bad{SET_ASIDE}": b"damage %d" % (SET_ASIDE + 2),
    }


@given(data=st.binary(max_size=200))
@settings(deadline=None, suppress_health_check=list(HealthCheck))
def test_any_other_bytes_never_pass(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "any.json"
    path.write_bytes(data)
    assert read(path).found == "damaged"


def test_what_could_not_be_read_again_is_never_written(path: Path) -> None:
    write(path, OLD)
    with pytest.raises(ValueError, match="stranger"):
        write(path, b"stranger")
    assert read(path) == Content(OLD, "whole", ())
