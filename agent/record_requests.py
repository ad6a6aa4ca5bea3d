"""Link's part in sending waveforms: what a consumer asks for is found and ordered.

A record is asked for by its name, by its number, or by the key of one of its events in lane a, as
a-17. Which record tells of which event, and which one stands in lane w already, link knows from
guard's audits in lane h, which it reads anyway. The order is a file (store/wave_orders.py). How
often anybody may ask is the uplink's to say; the answer stands in lane s:

    accepted   it is ordered, or it stands in lane w; the detail names it and says where it stands
    not there  no such record, or not any more
    busy       too many wait already, or the disk refuses
"""

from __future__ import annotations

import re
import sys
from collections import OrderedDict
from pathlib import Path
from typing import TypeVar

from agent.errors import StoreError
from agent.store import wave_orders
from agent.store.journal import declared_losses, lowest_seq
from agent.store.record_files import IN_LANE, STORED, held

ACCEPTED, NOT_THERE, BUSY = "accepted", "not there", "busy"
LANE = "w"

# Events and records that are remembered: the ring of records has 2,000, most tell of a few events.
MOST_KNOWN = 8192

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")
_NUMBER = re.compile(r"[0-9]{1,12}")
_KEY = re.compile(r"a-([0-9]{1,18})")
_STORED = re.compile(r"(\S+) of ([^;]*);")
_IN_LANE = re.compile(r"(\S+): w:([0-9]{1,18}) to w:([0-9]{1,18});")


class RecordRequests:
    """records, orders, log: the folders."""

    def __init__(self, *, records: Path, orders: Path, log: Path) -> None:
        self._records = records
        self._orders = orders
        self._log = log
        self._of_event: OrderedDict[int, str] = OrderedDict()
        self._in_lane: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def heard(self, what: str, detail: str) -> None:
        """An audit of guard's."""
        if what == STORED and (found := _STORED.match(detail)):
            for key in found[2].split():
                lane, _, seq = key.partition(":")
                if lane == "a" and seq.isdecimal():
                    _remember(self._of_event, int(seq), found[1])
        elif what == IN_LANE and (found := _IN_LANE.match(detail)):
            _remember(self._in_lane, found[1], (int(found[2]), int(found[3])))

    def answer(self, of: str | None) -> tuple[str, str | None]:
        """(answer, detail) for a record that is asked for, which is ordered where it is there."""
        try:
            return self._order(of or "")
        except StoreError as error:
            say(str(error))
            return BUSY, "the terminal's disk refuses"

    def _order(self, of: str) -> tuple[str, str | None]:
        name = self._name(of)
        if name is None:
            return NOT_THERE, None
        first, last = self._in_lane.get(name, (0, 0))
        if first and self._stands(first, last):
            return ACCEPTED, f"{name}: w:{first} to w:{last}"
        if wave_orders.place(self._orders, name, wave_orders.MOST_ASKED):
            return ACCEPTED, name
        return BUSY, name

    def _stands(self, first: int, last: int) -> bool:
        """Whether all of it is still in lane w."""
        lost = declared_losses(self._log, LANE)
        holed = any(loss.first <= last and first <= loss.last for loss in lost)
        return first >= lowest_seq(self._log, LANE) and not holed

    def _name(self, of: str) -> str | None:
        """The record's name, if it is kept; what is no name never becomes a path."""
        if found := _KEY.fullmatch(of):
            of = self._of_event.get(int(found[1]), "")
        number = int(of) if _NUMBER.fullmatch(of) else None
        for each in held(self._records):
            if each.name == of or each.number == number:
                return each.name
        return None


def _remember(known: OrderedDict[_Key, _Value], key: _Key, value: _Value) -> None:
    known[key] = value
    known.move_to_end(key)
    if len(known) > MOST_KNOWN:
        known.popitem(last=False)


def say(line: str) -> None:
    """One line of log to standard error."""
    sys.stderr.write(f"ftu-agent link: {line}\n")
