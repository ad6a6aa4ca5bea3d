"""A log that somebody has changed on purpose: its records edited, cut or put in another order, with
every length and check sum made right again. The device must have ended.

What careless damage looks like is the business of hil/faults.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent.store import segment
from hil.errors import BenchError


@dataclass(frozen=True, slots=True)
class _Frame:
    """A record where it stands in its segment file."""

    at: int
    seq: int
    payload: bytes

    @property
    def end(self) -> int:
        """Where the next one begins."""
        return self.at + segment.FRAME_BYTES + len(self.payload)


def forge(log: Path, lane: str, how: str) -> str:
    """Do it to the newest segment of the lane; what was done, in words. Raises: BenchError."""
    files = sorted(log.glob(f"{lane}-*.seg"))
    if not files:
        raise BenchError(str(log), f"no segment of lane {lane}", "a device that has recorded")
    path = files[-1]
    data = bytearray(path.read_bytes())
    header = segment.parse_header(bytes(data))
    if header is None:
        raise BenchError(str(path), "has no header that can be read", "a whole log")
    frames = _frames(bytes(data), header)
    if len(frames) < 3:
        raise BenchError(str(path), f"{len(frames)} records", "3 at least, to change one of them")
    told = _ACTS[how](data, frames, header)
    path.write_bytes(data)
    return f"{path.name}: {told}"


def _frames(data: bytes, header: segment.Header) -> list[_Frame]:
    walker = segment.Walker(data, header.seed, header.first_seq, segment.HEADER_BYTES)
    frames = []
    at = walker.at
    while (step := walker.step()) is not None:
        first, _, payload = step
        if payload is not None:
            frames.append(_Frame(at, first, payload))
        at = walker.at
    return frames


def _edit(data: bytearray, frames: list[_Frame], header: segment.Header) -> str:
    frame = frames[len(frames) // 2]
    changed = frame.payload[:-1] + bytes([frame.payload[-1] ^ 1])
    data[frame.at : frame.end] = segment.make_frame(header.seed, frame.seq, changed)
    return f"seq {frame.seq} says something else"


def _cut(data: bytearray, frames: list[_Frame], _: segment.Header) -> str:
    kept = len(frames) // 2
    begin, end = frames[kept].at, frames[-1].end
    data[begin:end] = bytes(end - begin)  # as space that was never written
    return f"seq {frames[kept].seq} to {frames[-1].seq} are gone"


def _reorder(data: bytearray, frames: list[_Frame], header: segment.Header) -> str:
    middle = len(frames) // 2
    first, second = frames[middle - 1], frames[middle]
    data[first.at : second.end] = segment.make_frames(
        header.seed, first.seq, [second.payload, first.payload]
    )
    return f"seq {first.seq} and {second.seq} have changed places"


def _truncate(data: bytearray, frames: list[_Frame], _: segment.Header) -> str:
    frame = frames[len(frames) // 2]
    end = frame.at + segment.FRAME_BYTES + len(frame.payload) // 2
    del data[end:]
    return f"the file ends in the middle of seq {frame.seq}"


_ACTS: dict[str, Callable[[bytearray, list[_Frame], segment.Header], str]] = {
    "edit": _edit,
    "cut": _cut,
    "reorder": _reorder,
    "truncate": _truncate,
}
