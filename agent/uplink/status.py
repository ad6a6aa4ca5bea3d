"""Who speaks over the uplink, and how it stands at a moment: plain records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who speaks: the names in its topics, and what `birth` tells of it."""

    site: str
    node: str
    model: str
    config_hash: bytes
    versions: Mapping[str, str]
    public_key: bytes | None = None  # of the key that signs the heads


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """How far a lane has come: seqs. `marks`: what each required consumer has acknowledged."""

    next: int
    sent: int
    acked: int
    marks: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The uplink at this moment; counters run since the process started.

    `trouble`: why there is no link, "" when there is one. `sends_unheard`: messages that the broker
    took though nobody had subscribed. `refused_messages`: from others, that could not be taken.
    `oversize`: records larger than the broker takes. `never_heard`: required consumers of which
    there was never a sign.
    """

    online: bool
    protocol: str
    connections: int
    trouble: str
    lanes: Mapping[str, LaneStatus]
    resends: int
    acks_moved: int
    acks_refused: int
    sends_refused: int
    sends_unheard: int
    unreadable: int
    oversize: int
    refused_messages: int
    requests_taken: int
    requests_refused: int
    never_heard: tuple[str, ...]
    live_sent: int
    live_dropped: int
