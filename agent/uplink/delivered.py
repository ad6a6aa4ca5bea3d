"""What a consumer is handed: records, declared losses, births and states, each with its origin.

`opened` makes them of a message. Whether something has come before is known in consumer.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agent.clock import Stamp
from agent.errors import RecordError
from agent.store import cbor, entries
from agent.store.entries import Key
from agent.uplink import topics, typed, wire


@dataclass(frozen=True, slots=True)
class Received:
    """A record. `entry`: as agent/store/entry.py says; `flags`: wire.EXERCISE, wire.REPLAY."""

    site: str
    key: Key
    entry: list[Any]
    flags: int

    @property
    def record(self) -> typed.Record:
        """The record as an object of its type."""
        return typed.record(self.entry)

    @property
    def stamp(self) -> Stamp:
        """When it was, on both clocks of the node, and how sure that is."""
        return entries.entry_stamp(self.entry)

    @property
    def exercise(self) -> bool:
        """Of a drill: never to be taken for the real thing."""
        return bool(self.flags & wire.EXERCISE)

    @property
    def raw(self) -> bytes:
        """The entry in its one deterministic form, byte for byte as it stands in the node's log."""
        return cbor.dumps(self.entry)


@dataclass(frozen=True, slots=True)
class DeclaredLost:
    """Seqs first..last of a lane that will never come, and why."""

    site: str
    node: str
    epoch: int
    lane: str
    first: int
    last: int
    reason: str


@dataclass(frozen=True, slots=True)
class LaneTold:
    """How far a lane reaches, as its node says; `lost`: (first, last, reason), the newest ones."""

    epoch: int
    lowest: int
    next: int
    lost: list[tuple[int, int, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """Who a node is.

    points: (quantity, unit, power of ten of one count). public_key: of the key that signs heads.
    """

    site: str
    node: str
    model: str
    versions: dict[str, str]
    config_hash: bytes
    points: list[tuple[str, str, int]]
    lanes: dict[str, LaneTold]
    clock: Stamp
    protocol: str
    ack: str
    consumers: list[str]
    public_key: bytes | None = None

    @property
    def epoch(self) -> int | None:
        """Of its present log; None where it names no lane."""
        return next((lane.epoch for lane in self.lanes.values()), None)


@dataclass(frozen=True, slots=True)
class State:
    """Whether a node is there. `conn` counts its connections and never falls."""

    site: str
    node: str
    online: bool
    conn: int
    utc_us: int | None


Delivered = Received | DeclaredLost | Birth | State


def opened(topic: str, payload: bytes) -> list[Delivered]:
    """Everything in a message of a node; [] for what a consumer has no use for.

    Raises: RecordError or ValueError for a topic or a payload that is none of ours.
    """
    name, site, node, _ = topics.parse(topic)
    lane = topics.lane_of(name)
    if node is None:
        return []
    if lane is not None:
        return _opened_envelope(site, node, lane, payload)
    if name == topics.BIRTH:
        return [_opened_birth(site, node, payload)]
    if name == topics.STATE and payload:  # an empty one clears what was retained
        return [State(site, node, *cbor.parsed(payload, wire.open_state))]
    return []


def _opened_envelope(site: str, node: str, lane: str, payload: bytes) -> list[Delivered]:
    epoch, said, items, flags = cbor.parsed(payload, _open_envelope)
    if said != lane:
        raise RecordError("envelope", f"lane {said} on the topic of lane {lane}")
    return [
        Received(site, Key(node, epoch, lane, first), rest[0], flags)
        if kind == "record"
        else DeclaredLost(site, node, epoch, lane, first, rest[0], rest[1])
        for kind, first, *rest in items
    ]


def _open_envelope(item: Any) -> tuple[int, str, list[Any], int]:
    epoch, lane, items = wire.open_envelope(item)
    return epoch, lane, items, wire.flags_of(item)


def _opened_birth(site: str, node: str, payload: bytes) -> Birth:
    birth = cbor.parsed(payload, wire.open_birth)
    if birth["node"] != node:
        raise RecordError("birth", f"of {birth['node']!r} on the topic of {node}")
    lanes = {lane: LaneTold(*told) for lane, told in birth["lanes"].items() if lane in topics.LANES}
    return Birth(site=site, **{**birth, "lanes": lanes, "clock": Stamp(*birth["clock"])})
