"""Link's part of the evidence: follows lanes a and s and writes signed heads of their chains.

A head is a record of lane s, so it reaches every consumer, and with it the word on everything
before it. A restart goes on from the last head of each lane. What a head means and what it proves
stands in docs/central-server.md, section Evidence.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from agent.clock import Stamp
from agent.errors import StoreError
from agent.store import cbor, chain, entry
from agent.store.chain import Chain, Head
from agent.store.device_key import DeviceKey, PublicKey
from agent.store.evidence import as_sent, head_of, is_alarm
from agent.store.journal import Item, Journal, LaneReader, Lost, lowest_seq, newest_first

# A head vouches for whatever came since the last one; between two of them an edit is found, but not
# its place. So many records a consumer can keep in mind (32 bytes each), and a person can look at.
EVERY_RECORDS = 512
# What happened this long ago can no longer be cut off unseen, once the head has left.
PERIOD_US = 300_000_000
# An alarm is worth a head of its own: within 10 s, one look every half second included, and one
# for all that come meanwhile, so that a chattering relay does not fill the log.
ALARM_WAIT_US = 5_000_000
# A log that refuses, as a full disk does, is tried again this often.
RETRY_US = 10_000_000
# No more at once than a head can tell as lost, however many of them are.
BATCH = chain.LOST_MOST
# At the end: as much as is read in half a second; all else has ended by then.
LAST_BATCHES = 128


class Heads:
    """Writes heads of the lanes of `log` through `journal`, which holds lane s.

    stamp: now, on both clocks. tell: takes a line about trouble, which is no more than a delay.
    Raises: StoreError when the log cannot be read at the start.
    """

    def __init__(
        self,
        *,
        log: Path,
        journal: Journal,
        key: DeviceKey,
        names: tuple[str, str],
        stamp: Callable[[], Stamp],
        tell: Callable[[str], None],
    ) -> None:
        self._log = log
        self._journal = journal
        self._key = key
        self._public = PublicKey(*names, key.public)
        self._stamp = stamp
        self._tell = tell
        self._retry_us = 0
        self.written = 0
        self.refused = 0
        last = self._last_heads()
        self._lanes = {
            lane: _Lane(log, lane, journal.epoch, last.get(lane)) for lane in chain.LANES
        }

    def step(self) -> bool:
        """Take some of what is new, write what is due; whether there may be more at once."""
        now_us = self._stamp().mono_us
        if now_us < self._retry_us:
            return False
        try:
            more = [lane.step(now_us) for lane in self._lanes.values()]
            if any(lane.due(now_us, caught_up=not any(more)) for lane in self._lanes.values()):
                self._write_all()
        except StoreError as error:
            self._wait(error)
            return False
        return any(more)

    def stop(self) -> None:
        """What has come until now gets its heads."""
        for _ in range(LAST_BATCHES):
            if not self.step():
                break
        try:
            if any(lane.news for lane in self._lanes.values()):
                self._write_all()
        except StoreError as error:
            self._wait(error)

    def _wait(self, error: StoreError) -> None:
        self.refused += 1
        self._retry_us = self._stamp().mono_us + RETRY_US
        self._tell(f"{error}; heads of the log are tried again")

    def _write_all(self) -> None:
        """A head of each lane that has news; of lane s last, so that it vouches for the others."""
        for letter, lane in self._lanes.items():
            if letter != "s" and lane.news:
                self._write(lane)
        own = self._lanes["s"]
        now_us = self._stamp().mono_us
        while own.step(now_us):
            pass
        if own.chain.seq > own.chain.after:
            self._write(own)

    def _write(self, lane: _Lane) -> None:
        stamp, lowest = self._stamp(), lowest_seq(self._log, lane.letter)
        at = (stamp.boot, stamp.mono_us, stamp.utc_us, stamp.source, stamp.error_us)
        empty = chain.head_columns(lane.chain, lowest, self._public.id, b"")
        unsigned = Head(chain.canonical(entry.compose(entry.HEAD, at, empty)))
        signed = chain.signed_bytes(
            self._public.site, self._public.node, self._journal.epoch, unsigned
        )
        values = chain.head_columns(lane.chain, lowest, self._public.id, self._key.sign(signed))
        logged = chain.canonical(entry.compose(entry.HEAD, at, values))
        self._journal.append("s", cbor.dumps(logged))
        lane.headed()
        self.written += 1

    def _last_heads(self) -> dict[str, Head]:
        """The last head of each lane that this log's own key, or the one before it, has signed."""
        found: dict[str, Head] = {}
        for item in newest_first(self._log, "s"):
            head = self._own_head(item)
            if head is not None and head.lane in chain.LANES:
                found.setdefault(head.lane, head)
            if len(found) == len(chain.LANES):
                break
        return found

    def _own_head(self, item: Item) -> Head | None:
        head = head_of(item)
        if head is None or head.signer != self._public.id:
            return head
        if self._public.verifies(self._journal.epoch, head):
            return head
        self._tell(f"lane {head.lane}: a head of seq {head.seq} bears a signature that is not ours")
        return None


class _Lane:
    """One lane on its way to its next head.

    news: records since the last one that are worth a head; in lane s heads themselves are not.
    """

    def __init__(self, log: Path, letter: str, epoch: int, head: Head | None) -> None:
        self.letter = letter
        seq, value = (0, None) if head is None else (head.seq, head.chain)
        self.chain = Chain(epoch, letter, seq, value)
        self.news = 0
        self._reader = LaneReader(log, letter, after=seq)
        self._since_us: int | None = None
        self._alarm_us: int | None = None
        # After a start nobody knows how long the first records have waited: a head at once.
        self._first = True

    def step(self, now_us: int) -> bool:
        """Take some of what is new; whether there was anything."""
        items = self._reader.read(BATCH - len(self.chain.lost))
        for item in items:
            self._take(item, now_us)
        return bool(items)

    def due(self, now_us: int, *, caught_up: bool) -> bool:
        """Whether a head is to be written now."""
        if self._first and caught_up:
            return self.news > 0
        waited_us = 0 if self._since_us is None else now_us - self._since_us
        alarmed_us = 0 if self._alarm_us is None else now_us - self._alarm_us
        full = self.news >= EVERY_RECORDS or len(self.chain.lost) >= chain.LOST_MOST // 2
        return full or waited_us >= PERIOD_US or alarmed_us >= ALARM_WAIT_US

    def headed(self) -> None:
        """A head of everything taken so far is on disk."""
        self.chain.headed()
        self.news, self._since_us, self._alarm_us = 0, None, None
        self._first = False

    def _take(self, item: Item, now_us: int) -> None:
        sent = as_sent(item)
        if isinstance(sent, Lost):
            self.chain.loss(sent.first, sent.last, sent.reason)
            kind, alarm = None, False
        else:
            self.chain.record(sent.seq, sent.data)
            kind, alarm = sent.entry[entry.TYPE], is_alarm(sent.entry)
        if kind == entry.HEAD and self.letter == "s":
            return
        self.news += 1
        self._since_us = now_us if self._since_us is None else self._since_us
        if alarm and self._alarm_us is None:
            self._alarm_us = now_us
