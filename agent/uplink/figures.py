"""The uplink's metrics: how log and delivery stand, from the status, the session and the disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from agent.clock import Stamp
from agent.errors import StoreError
from agent.metrics import Values
from agent.store import usage
from agent.uplink.lag import Lag, Oldest
from agent.uplink.session import Session
from agent.uplink.status import Status

# What `state` tells of them at a glance: of all lanes together, or of the worst.
_SUMS = ("depth_records", "disk_bytes", "lost_records")
_WORST = ("oldest_age_s",)
_AS_THEY_ARE = ("resends_total", "sends_refused_total", "consumers_never_heard")
# Ages and resends change all the time while records wait; a minute is as fine as anybody reads it.
_AGE_STEP_S = 60


class Figures:
    """Reads off `session` and the log at `log`; `lag` is fed by who sends."""

    def __init__(self, log: Path, session: Session, lanes: str) -> None:
        self.lag = Lag(lanes)
        self._log = log
        self._session = session
        self._lanes = lanes
        self._oldest = Oldest(log)

    def told(self, status: Status, now: Stamp) -> Values:
        """All of them, but what a refusal of the disk hides."""
        values: Values = {
            ("online", ""): int(status.online),
            ("connections_total", ""): status.connections,
            ("resends_total", ""): status.resends,
            ("sends_refused_total", ""): status.sends_refused,
            ("sends_unheard_total", ""): status.sends_unheard,
            ("oversize_records_total", ""): status.oversize,
            ("unreadable_records_total", ""): status.unreadable,
            ("acks_refused_total", ""): status.acks_refused,
            ("requests_refused_total", ""): status.requests_refused,
            ("messages_refused_total", ""): status.refused_messages,
            ("live_dropped_total", ""): status.live_dropped,
            ("consumers_never_heard", ""): len(status.never_heard),
        }
        rate = self._session.pacing.rate(now.mono_us)
        if rate is not None:
            values["backlog_rate_bytes_s", ""] = rate
        for lane in self._lanes:
            values["depth_records", lane] = self._session.backlog(lane)
        try:
            values |= self._on_disk(now)
        except StoreError:  # whoever writes the log tells it
            pass
        return values | self.lag.told()

    def clear(self) -> None:
        """A new interval begins."""
        self.lag.clear()

    def glance(self, values: Values) -> Mapping[str, int]:
        """The few that `state` tells."""
        shown = {name: values.get((name, ""), 0) for name in _AS_THEY_ARE}
        for name in _SUMS:
            shown[name] = sum(value for (each, _), value in values.items() if each == name)
        for name in _WORST:
            worst = max((value for (each, _), value in values.items() if each == name), default=0)
            shown[name] = worst // _AGE_STEP_S * _AGE_STEP_S
        return shown

    def _on_disk(self, now: Stamp) -> Values:
        values: Values = usage.told(self._log, self._lanes)
        for lane in self._lanes:
            if self._session.backlog(lane):
                age_us = self._oldest.age_us(lane, self._session.acked(lane), now)
                if age_us is not None:
                    values["oldest_age_s", lane] = age_us // 1_000_000
        return values
