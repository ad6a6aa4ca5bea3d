"""A copy of the log held against its signed heads, offline, with nothing but the public key.

What verify.py does for the bytes, this does for what they say: `prove` names whatever was edited,
cut, reordered or put in, heads that another key or another log has signed, and clocks that were
turned back. What it cannot know without a consumer's heads: a copy that is cut off behind one of
its own heads is a shorter log, and proves itself (docs/central-server.md, section Evidence).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from agent.store import chain, disk, removal, rollback, segment_files
from agent.store.chain import Head
from agent.store.device_key import PublicKey
from agent.store.evidence import GivenHead, Sent, as_sent, entry_head, made
from agent.store.follower import CUT, UNPROVEN, Finding, Follower
from agent.store.identity import read_epoch
from agent.store.items import Lost
from agent.store.losses import lowest_seq
from agent.store.reader import LaneReader

# Kinds beside those of follower.py and rollback.py; all are wrong.
KEY = "key"  # signed by another key
SIGNATURE = "signature"  # by this key, but not these bytes
EPOCH = "epoch"  # of another log
UNSIGNED = "unsigned"  # a head was due and is not there
# Heads are due every 512 records and every five minutes (heads.py); after three times as much there
# was no link, or somebody has taken them out.
UNSIGNED_MOST = 1536
UNSIGNED_US = 900_000_000
# Whoever has read so many lines knows enough.
MOST_FINDINGS = 200
_BATCH = 256


@dataclass(frozen=True, slots=True)
class Proven:
    """What the heads say of one lane: how many there are, up to which seq, records vouched for."""

    lane: str
    heads: int
    up_to: int
    records: int


@dataclass(frozen=True, slots=True)
class Proof:
    """signed: whether signatures were checked. findings: what is wrong; notes: good to know."""

    signed: bool
    lanes: tuple[Proven, ...]
    findings: tuple[Finding, ...]
    notes: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Nothing is wrong."""
        return not self.findings


def prove(root: Path, key: PublicKey | None = None, given: Sequence[GivenHead] = ()) -> Proof:
    """Reads lanes a, s and h of the log at `root`, beside a living writer if need be.

    key: whose heads these must be; None: signatures are not looked at, so that who edits the
    records can write the heads anew. given: heads from elsewhere. Raises: StoreError.
    """
    try:
        return _Prover(root, key, given).prove()
    except OSError as error:
        raise disk.refused(root, "the log cannot be read", error) from error


@dataclass(slots=True)
class _Tail:
    """Records for which no head has come: how many, and when the first of them was made."""

    count: int = 0
    since: tuple[int, int] | None = None


@dataclass(slots=True)
class _Found:
    all: list[Finding] = field(default_factory=list)

    def add(self, kind: str, lane: str, first: int, last: int, told: str) -> None:
        self.all.append(Finding(kind, lane, first, last, told))


class _Prover:
    def __init__(self, root: Path, key: PublicKey | None, given: Sequence[GivenHead]) -> None:
        self._root = root
        self._key = key
        self._given = given
        self._epoch = read_epoch(root) or 0
        self._found = _Found()
        self._heads: dict[str, list[Head]] = {lane: [] for lane in chain.LANES}

    def prove(self) -> Proof:
        self._look_for_other_logs()
        self._gather_heads()
        times = rollback.times(self._root)
        tails = {}
        lanes = []
        for lane in chain.LANES:
            proven, tails[lane] = self._follow(lane, times)
            lanes.append(proven)
        if self._key is not None:
            for lane, tail in tails.items():
                self._judge_tail(lane, tail, times)
        wrong = [each for each in self._found.all if each.wrong]
        notes = [each for each in self._found.all if not each.wrong]
        return Proof(
            self._key is not None,
            tuple(lanes),
            tuple(wrong[:MOST_FINDINGS]),
            tuple(notes[:MOST_FINDINGS]),
        )

    def _look_for_other_logs(self) -> None:
        """Segments of another log among these."""
        for lane in segment_files.lanes(self._root):
            for file in segment_files.files(self._root, lane):
                header = segment_files.read_header(self._root, file, None)
                if header is not None and header.epoch != self._epoch:
                    told = f"{file.name} is of log {header.epoch:x}; expected {self._epoch:x}"
                    self._found.add(EPOCH, lane, file.first_seq, file.first_seq, told)

    def _gather_heads(self) -> None:
        """Heads of lane s and those given, as far as their signatures hold."""
        with LaneReader(self._root, "s", after=lowest_seq(self._root, "s") - 1) as reader:
            while items := reader.read(_BATCH):
                for item in items:
                    sent = as_sent(item)
                    head = None if isinstance(sent, Lost) else entry_head(sent.entry)
                    if head is not None and isinstance(sent, Sent):
                        self._admit(head, f"the head in seq {sent.seq}", sent.seq)
        for each in self._given:
            if each.epoch not in (None, self._epoch):
                told = f"a head from elsewhere is of log {each.epoch:x}; this is {self._epoch:x}"
                self._found.add(EPOCH, each.head.lane, each.head.seq, each.head.seq, told)
            else:
                self._admit(each.head, "a head from elsewhere", each.head.seq)

    def _admit(self, head: Head, what: str, seq: int) -> None:
        if head.lane not in self._heads:
            return
        if self._key is not None and head.signer != self._key.id:
            told = f"{what} is signed by key {head.signer.hex()}; expected {self._key.id.hex()}"
            self._found.add(KEY, head.lane, head.seq, head.seq, told)
        elif self._key is not None and not self._key.verifies(self._epoch, head):
            told = f"the signature of {what} does not fit it; expected node {self._key.node} of"
            told += f" site {self._key.site}, log {self._epoch:x}, and every byte as signed"
            self._found.add(SIGNATURE, "s" if what[-1].isdigit() else head.lane, seq, seq, told)
        else:
            self._heads[head.lane].append(head)

    def _follow(self, lane: str, times: rollback.Times) -> tuple[Proven, _Tail]:
        heads = sorted(self._heads[lane], key=lambda head: head.seq)
        lowest = lowest_seq(self._root, lane)
        follower = Follower(self._epoch, lane, lowest - 1, most=None)
        follower.known([head for head in heads if head.seq < lowest - 1])
        for head in heads:
            if head.seq >= lowest - 1:
                follower.head(head)
        clocks = rollback.Clocks(lane, times)
        up_to = heads[-1].seq if heads else 0
        tail = _Tail()
        with LaneReader(self._root, lane, after=lowest - 1) as reader:
            while items := reader.read(_BATCH):
                for item in items:
                    sent = as_sent(item)
                    if isinstance(sent, Lost):
                        follower.loss(sent.first, sent.last, sent.reason)
                        continue
                    follower.record(sent.seq, sha256(sent.data).digest(), made(sent.entry))
                    self._found.all += clocks.take(sent)
                    times.see(sent.entry)
                    if sent.seq > up_to:
                        tail.count += 1
                        tail.since = tail.since or made(sent.entry)
        self._found.all += follower.end()
        self._judge_beginning(lane, lowest, heads)
        return Proven(lane, len(heads), min(up_to, follower.next_seq - 1), follower.proven), tail

    def _judge_beginning(self, lane: str, lowest: int, heads: list[Head]) -> None:
        """Retention takes a lane's oldest segment when it begins a new one, not at other times."""
        kept_from = removal.read(self._root, lane).kept_from
        last = heads[-1] if heads else None
        told_lowest = None if last is None else last.lowest
        files = segment_files.files(self._root, lane)
        grown = last is None or any(file.first_seq > last.seq for file in files)
        if last is not None and told_lowest is not None and told_lowest < lowest and not grown:
            told = f"begins at seq {lowest}; expected {told_lowest}, the lowest one when the "
            told += f"head at seq {last.seq} was signed, since no segment was begun after it"
            self._found.add(CUT, lane, told_lowest, lowest - 1, told)
        elif kept_from < lowest:
            told = "are gone, and the log does not say that it removed them to make room"
            self._found.add(UNPROVEN, lane, kept_from, lowest - 1, told)

    def _judge_tail(self, lane: str, tail: _Tail, times: rollback.Times) -> None:
        """Whether a head was due for what has none."""
        if tail.since is None:
            return
        boot, since_us = tail.since
        waited_us = 0
        for each, (first_us, last_us) in times.spans.items():
            if each >= boot:
                begin_us = since_us if each == boot else first_us
                waited_us = max(waited_us, last_us - begin_us)
        if tail.count > UNSIGNED_MOST or waited_us > UNSIGNED_US:
            up_to = max([head.seq for head in self._heads[lane]], default=0)
            told = f"{tail.count} records, {waited_us / 60e6:.0f} min of the log behind the last "
            told += "head; expected one every 512 records and 5 min: link did not run, or they "
            told += "were taken out"
            self._found.add(UNSIGNED, lane, up_to + 1, up_to + tail.count, told)
