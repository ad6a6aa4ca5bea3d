"""The shadow's process: the same detection with other settings, and where it says otherwise.

    python -m agent.shadow_judge SOCKET

Started by guard (shadow.py), at the lowest priority; ends when guard's end of the socket does.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from agent.detect.detector import Detector
from agent.record_notes import read_event, read_layout, read_wired
from agent.records import Block, Event, Quality
from agent.shadow import HEAD, LARGEST_BYTES, SAMPLES
from agent.verdicts import changes, told

NICENESS = 19
# Bays are quiet for so long before what both said of the story is compared: longer than the delays
# of usual stages; a stage that operates later is a story of its own.
QUIET_US = 2_000_000
# A story that does not end is compared all the same.
LONGEST_US = 10_000_000
# After a beginning, or a gap in what came, one of the two may not know what the other does.
SETTLING_US = 2_000_000


class Disagreement(NamedTuple):
    """t_us: of the first verdict that differs."""

    t_us: int
    detail: str


class Comparison:
    """What both say, bay by bay, on the axis of guard. Pure: events and instants go in."""

    def __init__(self) -> None:
        self._ours: dict[str, list[Event]] = {}
        self._theirs: dict[str, list[Event]] = {}
        self._from_us = 0

    def settle(self, t_us: int) -> None:
        """Nothing before this instant and the settling time is compared."""
        self._ours.clear()
        self._theirs.clear()
        self._from_us = t_us + SETTLING_US

    def live(self, event: Event) -> None:
        """What the settings in force say."""
        self._ours.setdefault(event.bay, []).append(event)

    def shadow(self, event: Event) -> None:
        """What the others say."""
        self._theirs.setdefault(event.bay, []).append(event)

    def at(self, t_us: int) -> Iterator[Disagreement]:
        """Everything up to this instant is there: stories that are over and differ."""
        for bay in sorted(self._ours.keys() | self._theirs.keys()):
            ours, theirs = self._ours.get(bay, []), self._theirs.get(bay, [])
            times = [event.t_us for event in (*ours, *theirs)]
            if t_us - max(times) < QUIET_US and t_us - min(times) < LONGEST_US:
                continue
            self._ours.pop(bay, None)
            self._theirs.pop(bay, None)
            if min(times) < self._from_us:
                continue
            found = list(changes(ours, theirs))
            if found:
                since_us = min(times)
                shown = "; ".join(
                    f"{told(change.before, since_us)} / {told(change.after, since_us)}"
                    for change in found
                )
                yield Disagreement(since_us, f"bay {bay}, in force / shadow: {shown}")


class Judge:
    """Messages of guard in, disagreements out."""

    def __init__(self) -> None:
        self._detectors: dict[int, Detector] = {}
        self._next: dict[int, int] = {}
        self._compared = Comparison()

    def hear(self, message: bytes) -> list[Disagreement]:
        """Take one message. Raises: ValueError and its kin for what guard never sends."""
        if message[:1] == SAMPLES:
            return self._block(message)
        words = json.loads(message[1:])
        if "source" in words:
            self._source(words)
        for each in words.get("events", ()):
            self._compared.live(read_event(each))
        return []

    def _source(self, words: Mapping[str, Any]) -> None:
        number = int(words["source"])
        self._detectors[number] = Detector(read_layout(words["layout"]), read_wired(words["wired"]))
        self._next.pop(number, None)

    def _block(self, message: bytes) -> list[Disagreement]:
        first, start_us, source, quality, channels, count = HEAD.unpack_from(message, 1)
        data = np.frombuffer(message, dtype="<i4", offset=1 + HEAD.size)
        detector = self._detectors[source]
        counts = data.reshape(channels, count).astype(np.float64)
        block = Block(detector.layout, first, start_us, counts, Quality(quality))
        if self._next.get(source) != first:
            self._compared.settle(block.sample_us(first))
        self._next[source] = first + count
        # What guard says of this block comes after it, and up to here everything of it has come.
        found = list(self._compared.at(block.sample_us(first)))
        for event in detector.feed(block):
            self._compared.shadow(event)
        return found


def main(arguments: list[str]) -> int:
    """Until guard's end of the socket is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal; guard ends first
    os.nice(NICENESS)
    judge = Judge()
    with socket.socket(fileno=int(arguments[0])) as guard:
        while message := guard.recv(2 * LARGEST_BYTES):
            for found in judge.hear(message):
                # Guard's detail has an end; what guard does not take, it has told enough of.
                answer = json.dumps({"t_us": found.t_us, "detail": found.detail[:1000]})
                with contextlib.suppress(BlockingIOError):
                    guard.send(answer.encode(), socket.MSG_DONTWAIT)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
