"""Records held against signed heads: what was edited, cut, reordered, or lost since.

`Follower` takes what anyone has of one lane (a consumer what it received, `journal verify` what a
copy of the log holds), in any order, and heads whose signatures are checked already. From one head
to the next it computes the chain anew. Where it comes to another value it says so, takes the
signed value and goes on, so that one edit is one finding.

Portable.
"""

from binascii import hexlify

from agent.store import chain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.store.chain import Head, Range

    Made = Any  # of a record: when it was made, to be compared with others; None: not known

# Kinds of findings. These are wrong:
EDITED = "edited"  # between two heads records are not what they were: edited or replaced
REORDERED = "reordered"  # the same records at other places
REPEATED = "repeated"  # a record stands there twice
CUT = "cut"  # a head speaks of what is not there
LOST = "lost"  # there when a head was signed, unreadable now
FORKED = "forked"  # two signed heads, or two records of one seq, contradict each other
# These are not, but whoever rests on the evidence must know them:
UNPROVEN = "unproven"  # no head can vouch for these
RECEIVED = "received"  # the log has lost these, and here they are
CLOCK_SET = "clock-set"  # UTC was set back, and the log says so
NOTES = (UNPROVEN, RECEIVED, CLOCK_SET)

QUOTA = "quota"  # removed to make room (segment.REASON_WORDS): history, not damage
# Records of a lane for which no head has come: a head is due after 512 (evidence.py), and a
# consumer has a window of messages beyond it. Each takes some 200 bytes.
MOST_WAITING = 16384
HEADS_WAITING = 1024
# Heads remembered by their seqs, to be held against later ones that contradict them.
KNOWN = 64


class Finding:
    """kind: see above; lane, first, last: where; told: in words, what and what was expected."""

    def __init__(self, kind: str, lane: str, first: int, last: int, told: str) -> None:
        self.kind = kind
        self.lane = lane
        self.first = first
        self.last = last
        self.told = told

    @property
    def wrong(self) -> bool:
        """Whether something is not as it was written; else it is only good to know."""
        return self.kind not in NOTES

    def line(self) -> str:
        """Where, what, and what was expected, in one line."""
        return f"lane {self.lane}, seq {self.first} to {self.last}: {self.kind}: {self.told}"


class Follower:
    """One lane, from the seq behind `seq` on, where the chain has the value `value`.

    value: None at seq 0, where it is known, and behind a seq where it is not: then the first head
    is taken as it is. most: so many records wait for a head; None: without end.
    """

    def __init__(
        self,
        epoch: int,
        lane: str,
        seq: int = 0,
        value: "bytes | None" = None,
        most: "int | None" = MOST_WAITING,
    ) -> None:
        self.lane = lane
        self.seq = seq  # up to here heads have vouched, or never will
        self.value = chain.start(epoch, lane) if seq == 0 and value is None else value
        self.proven = 0  # records that a head has vouched for
        self.findings: "list[Finding]" = []
        self._most = most
        self._next = seq + 1  # everything below it is here, or told as lost
        self._records: "dict[int, tuple[bytes, Made]]" = {}
        self._losses: "dict[int, tuple[int, str]]" = {}
        self._heads: "list[Head]" = []
        self._known = [(seq, value)] if value is not None else []

    @property
    def next_seq(self) -> int:
        """The lowest seq that is neither here nor told as lost."""
        return self._next

    def record(self, seq: int, digest: bytes, made: "Made" = None) -> None:
        """A record; digest: SHA-256 of its canonical bytes."""
        known = self._records.get(seq)
        if known is not None and known[0] != digest:
            self._find(FORKED, seq, seq, "two different records; expected one for each seq")
        if seq < self._next or known is not None:
            return
        self._records[seq] = (digest, made)
        self._advance()

    def loss(self, first: int, last: int, reason: str) -> None:
        """Seqs that are declared lost."""
        first = max(first, self._next)
        if first <= last:
            self._losses[first] = (last, reason)
            self._advance()

    def head(self, head: "Head") -> None:
        """A head of this lane, its signature checked."""
        self._heads.append(head)
        self._heads.sort(key=lambda each: each.seq)
        if len(self._heads) > HEADS_WAITING and self._most is not None:
            self._heads.pop(0)
        self._settle()

    def known(self, heads: "list[Head]") -> None:
        """Heads of before, to be held against others that contradict them."""
        self._known += [(head.seq, head.chain) for head in heads]

    def take(self) -> "list[Finding]":
        """The findings since the last call."""
        found, self.findings = self.findings, []
        return found

    def end(self) -> "list[Finding]":
        """Nothing more comes: what heads speak of and is not there is cut off. As `take`."""
        if self._heads:
            last = self._heads[-1].seq
            told = (
                f"ends at seq {self._next - 1}; expected seq {last}, of which a signed head tells"
            )
            self._find(CUT, self._next, last, told)
        if self.seq < self._next - 1:
            told = f"no signed head yet behind seq {self.seq}"
            self._find(UNPROVEN, self.seq + 1, self._next - 1, told)
        return self.take()

    def _advance(self) -> None:
        while True:
            if self._next in self._records:
                self._next += 1
            elif self._next in self._losses:
                self._next = self._losses[self._next][0] + 1
            else:
                break
        self._settle()
        if self._most is not None and len(self._records) + len(self._losses) > self._most:
            self._give_up()

    def _give_up(self) -> None:
        """No head comes: memory ends before patience."""
        last = max(list(self._records) + [self.seq])
        self._find(UNPROVEN, self.seq + 1, last, f"{self._most} records without a signed head")
        self._adopt(last, None)

    def _settle(self) -> None:
        while self._heads and self._heads[0].seq < self._next:
            self._judge(self._heads.pop(0))

    def _judge(self, head: "Head") -> None:
        """A head up to whose seq everything is here or told as lost."""
        for seq, value in self._known:
            if seq == head.seq and value != head.chain:
                self._find(FORKED, seq, seq, "two signed heads say different things of it")
        if head.seq < self.seq or (head.seq == self.seq and self.value is not None):
            return
        if self.value is None:
            if self.seq < head.seq:
                told = "what lies before them is gone, so no head can vouch for them"
                self._find(UNPROVEN, self.seq + 1, head.seq, told)
        else:
            self._compare(head, self.value)
        self._adopt(head.seq, head.chain)

    def _compare(self, head: "Head", value: bytes) -> None:
        steps, gone = self._steps(head)
        seqs = [step[0] for step in steps if step[2] is None]
        for first, last, reason in gone:
            if reason == QUOTA:
                self._find(UNPROVEN, first, last, "removed to make room after they were signed")
            else:
                told = f"{reason}; expected the records that the head at seq {head.seq} counts"
                self._find(LOST, first, last, told)
        if gone:
            if seqs:
                told = "others between the same two heads are lost"
                self._find(UNPROVEN, seqs[0], seqs[-1], told)
        elif self._value_of(steps, value) == head.chain:
            self.proven += len(seqs)
        elif seqs:
            self._diagnose(head, steps, seqs, value)
        else:
            told = f"lost otherwise than the head at seq {head.seq} says"
            self._find(EDITED, self.seq + 1, head.seq, told)

    def _steps(self, head: "Head") -> "tuple[list[Any], list[Range]]":
        """(first, last, reason or None) of what the chain has run over since `seq`, as the head
        says; and the ranges that it takes for records and that are not here.
        """
        told = {}
        for first, last, reason in head.lost:
            if first > self.seq:
                told[first] = (last, reason)
        steps: "list[Any]" = []
        gone: "list[Range]" = []
        seq = self.seq + 1
        while seq <= head.seq:
            if seq in told:
                last, reason = told[seq]
                here = [each for each in self._records if seq <= each <= last]
                if here:
                    said = f"the log has lost them ({reason})"
                    self._find(RECEIVED, min(here), max(here), said)
                steps.append((seq, last, reason))
            elif seq in self._records:
                last = seq
                steps.append((seq, seq, None))
            else:
                last, reason = self._lost_at(seq)
                beyond = min([head.seq + 1] + [each for each in told if each > seq])
                last = min(last, beyond - 1)
                if seq <= head.after:  # of a head between, which is not here
                    last = min(last, head.after)
                    steps.append((seq, last, reason))
                else:
                    gone.append((seq, last, reason))
            seq = last + 1
        return steps, gone

    def _lost_at(self, seq: int) -> "tuple[int, str]":
        for first, (last, reason) in self._losses.items():
            if first <= seq <= last:
                return last, reason
        return seq, "missing"

    def _value_of(self, steps: "list[Any]", value: bytes, places: "Any" = None) -> bytes:
        """The chain over the steps; places: seq -> the seq whose record is taken for it."""
        for first, last, reason in steps:
            if reason is not None:
                value = chain.after_loss(value, first, last, reason)
            else:
                taken = first if places is None else places.get(first, first)
                value = chain.after_record(value, first, self._records[taken][0])
        return value

    def _diagnose(self, head: "Head", steps: "list[Any]", seqs: "list[int]", value: bytes) -> None:
        between = f"between the heads at seq {self.seq} and {head.seq}"
        moved = self._reordered(steps, seqs, value, head.chain)
        if moved:
            told = f"the same records at other places, {between}; expected the order of making"
            self._find(REORDERED, moved[0], moved[-1], told)
            return
        twice = self._twice(seqs)
        if twice:
            told = f"seq {twice[1]} repeats seq {twice[0]}, {between}; expected each record once"
            self._find(REPEATED, twice[0], twice[1], told)
            return
        told = f"{between} a record was edited, replaced, left out or put in; expected hash "
        told += f"{_hex(head.chain)}, have {_hex(self._value_of(steps, value))}"
        self._find(EDITED, seqs[0], seqs[-1], told)

    def _reordered(
        self, steps: "list[Any]", seqs: "list[int]", value: bytes, wanted: bytes
    ) -> "list[int]":
        """The seqs of records that are all there and stand at other places; [] when it is not so.

        Tried: the order in which they were made, and any two neighbours.
        """
        if None not in [self._records[seq][1] for seq in seqs]:
            by_time = sorted(seqs, key=lambda seq: self._records[seq][1])
            places = dict(zip(seqs, by_time))
            if self._value_of(steps, value, places) == wanted:
                return [seq for seq in seqs if places[seq] != seq]
        return self._neighbours(steps, seqs, value, wanted)

    def _neighbours(
        self, steps: "list[Any]", seqs: "list[int]", value: bytes, wanted: bytes
    ) -> "list[int]":
        at = 0
        for one, other in zip(seqs, seqs[1:]):
            while steps[at][0] != one:  # the chain up to the two is the same whatever follows
                value = self._value_of(steps[at : at + 1], value)
                at += 1
            if self._value_of(steps[at:], value, {one: other, other: one}) == wanted:
                return [one, other]
        return []

    def _twice(self, seqs: "list[int]") -> "tuple[int, int] | None":
        seen: "dict[bytes, int]" = {}
        for seq in seqs:
            digest = self._records[seq][0]
            if digest in seen:
                return seen[digest], seq
            seen[digest] = seq
        return None

    def _adopt(self, seq: int, value: "bytes | None") -> None:
        """Go on behind `seq`."""
        self.seq, self.value = seq, value
        if value is not None:
            self._known = (self._known + [(seq, value)])[-KNOWN:]
        self._records = {each: kept for each, kept in self._records.items() if each > seq}
        losses = {}
        for first, (last, reason) in self._losses.items():
            if last > seq:
                losses[max(first, seq + 1)] = (last, reason)
        self._losses = losses
        self._next = max(self._next, seq + 1)

    def _find(self, kind: str, first: int, last: int, told: str) -> None:
        self.findings.append(Finding(kind, self.lane, first, last, told))


def _hex(value: bytes) -> str:
    return hexlify(value[:4]).decode() + "..."
