"""What a lane says about itself without a record being read: what is lost, where it begins."""

from __future__ import annotations

import contextlib
from pathlib import Path

from agent.store import disk, removal, segment, segment_files
from agent.store.identity import read_epoch
from agent.store.items import Lost


def declared_losses(root: Path, lane: str) -> list[Lost]:
    """The lost ranges told by retention, headers and unreadable files, in order.

    What every consumer had before it was removed is not lost. Raises: StoreError when the system
    refuses a file.
    """
    unreadable: int | None = None
    try:
        losses = removed_unacknowledged(root, lane)
        epoch = read_epoch(root)
        for file in segment_files.files(root, lane):
            header = segment_files.read_header(root, file, epoch)
            if header is None:
                unreadable = unreadable or file.first_seq
                continue
            begin = min(header.previous_next, unreadable or header.first_seq)
            for first, last, code in segment_files.gap(begin, header, segment.HEADER, 0):
                losses.append(Lost(first, last, segment.reason_word(code)))
            unreadable = None
    except OSError as error:
        raise disk.refused(root, "the log cannot be read", error) from error
    return losses


def removed_unacknowledged(root: Path, lane: str) -> list[Lost]:
    """What was removed to make room before every consumer had it. Raises: OSError."""
    word = segment.reason_word(segment.QUOTA)
    ranges = removal.read(root, lane).unacknowledged
    return [Lost(first, last, word) for first, last in ranges]


def lowest_seq(root: Path, lane: str) -> int:
    """The lowest seq that the lane's files speak of; 1 when there never were any."""
    with contextlib.suppress(FileNotFoundError):
        for file in segment_files.files(root, lane):
            header = segment_files.read_header(root, file, None)
            return file.first_seq if header is None else header.previous_next
    return removal.read(root, lane).kept_from
