"""A consumer's look at the evidence: whether what came is what the node has signed.

Pure: it touches no socket and no file. Feed it every record and every declared loss as they come,
in any order; it takes the heads out of lane s, checks their signatures, and tells what does not
fit. A record needs 32 bytes of memory until the next head of its lane has come.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from agent.errors import RecordError
from agent.store import chain
from agent.store.device_key import PublicKey
from agent.store.ed25519 import KEY_BYTES
from agent.store.evidence import entry_head, made, sent
from agent.store.follower import Finding, Follower

KEY = "key"  # signed by another key than the node's
SIGNATURE = "signature"  # by this key, but not these bytes

# (epoch, lane) -> seq up to which heads have vouched, and the chain there; None: not known.
Proven = Mapping[tuple[int, str], tuple[int, bytes | None]]
# Logs of one node that are followed at once: the present one, and what comes late of the last.
LOGS = 2


class Witness:
    """Of one node. public_key: of its device; None: until `birth` tells one.

    proven: where to go on, as the property of this name said it; a lane that is not in it begins
    at seq 1. To go on at a consumer's mark, say (mark, None): then the first head is believed.
    Raises: RecordError for a key that is none.
    """

    def __init__(
        self, site: str, node: str, public_key: bytes | None = None, proven: Proven | None = None
    ) -> None:
        self._names = (site, node)
        self._key: PublicKey | None = None
        self._followers: dict[tuple[int, str], Follower] = {}
        self._found: list[Finding] = []
        for (epoch, lane), (seq, value) in (proven or {}).items():
            self._followers[epoch, lane] = Follower(epoch, lane, seq, value)
        if public_key is not None:
            self.born(public_key)

    @property
    def proven(self) -> dict[tuple[int, str], tuple[int, bytes | None]]:
        """For each log and lane: the seq up to which heads have vouched, and the chain there."""
        return {place: (each.seq, each.value) for place, each in self._followers.items()}

    def born(self, public_key: bytes | None) -> list[Finding]:
        """What `birth` says of the key. The first one is believed; another one is told."""
        if public_key is None:
            return []
        if len(public_key) != KEY_BYTES:
            raise RecordError("public key", f"{len(public_key)} bytes", f"{KEY_BYTES}")
        if self._key is None:
            self._key = PublicKey(*self._names, public_key)
        elif self._key.key != public_key:
            told = f"birth names key {chain.key_id(public_key).hex()}; expected "
            told += f"{self._key.id.hex()}, unless somebody has given the device another"
            self._find(KEY, "s", 0, told)
        return self._take()

    def record(self, epoch: int, lane: str, seq: int, entry: list[Any]) -> list[Finding]:
        """A record that came; what it shows to be wrong."""
        follower = self._follower(epoch, lane)
        if follower is None:
            return []
        canonical = sent(seq, entry)
        follower.record(seq, sha256(canonical.data).digest(), made(canonical.entry))
        head = entry_head(canonical.entry) if lane == "s" else None
        of = None if head is None else self._follower(epoch, head.lane)
        if head is not None and of is not None and self._is_ours(epoch, seq, head):
            of.head(head)
        return self._take()

    def lost(self, epoch: int, lane: str, first: int, last: int, reason: str) -> list[Finding]:
        """Seqs that the node has declared lost; what that shows to be wrong."""
        follower = self._follower(epoch, lane)
        if follower is not None:
            follower.loss(first, last, reason)
        return self._take()

    def _is_ours(self, epoch: int, seq: int, head: chain.Head) -> bool:
        if self._key is None:
            return False
        if head.signer != self._key.id:
            told = f"the head is signed by key {head.signer.hex()}; expected {self._key.id.hex()}"
            self._find(KEY, "s", seq, told)
            return False
        if not self._key.verifies(epoch, head):
            told = "the signature of the head does not fit it; expected every byte as signed"
            self._find(SIGNATURE, "s", seq, told)
            return False
        return True

    def _follower(self, epoch: int, lane: str) -> Follower | None:
        if lane not in chain.LANES:
            return None
        if (epoch, lane) not in self._followers:
            self._followers[epoch, lane] = Follower(epoch, lane)
            epochs = list(dict.fromkeys(each for each, _ in self._followers))
            for old in epochs[:-LOGS]:
                for each in chain.LANES:
                    self._followers.pop((old, each), None)
        return self._followers[epoch, lane]

    def _find(self, kind: str, lane: str, seq: int, told: str) -> None:
        self._found.append(Finding(kind, lane, seq, seq, told))

    def _take(self) -> list[Finding]:
        found, self._found = self._found, []
        for follower in self._followers.values():
            found += follower.take()
        return found
