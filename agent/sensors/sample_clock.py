"""When samples were taken, learnt from when they arrived.

A sample's instant is start + index / rate, where the rate is what the digitiser says and the index
its own count. An arrival is late by the way (line, adapter, scheduler), never early: so the start
is the least of all that arrivals suggest, their lower envelope. The two clocks part by what their
crystals differ, so the envelope rises by itself, at the most that they may differ, until the next
arrival that was not held up brings it down again: as fast as needed, but the stamps follow so
slowly that time goes on from sample to sample.

Pure: indices and arrivals in, instants out.
"""

from __future__ import annotations

from fractions import Fraction

# Crystals differ by some 100 ppm; the kernel slews its clock by up to 500 (MAXFREQ,
# linux/timex.h). An arrival without delay every 20 ms keeps the envelope within 10 us.
RISE_PPM = 500
# Twice that, so that stamps which began too late catch up although the envelope rises.
FOLLOW_PPM = 1000
# USB adapters hand over what they have every 16 ms: a dozen of these before the first stamp.
SETTLE_US = 200_000
# No way holds up each arrival of so long a span by so much. Then the count is no clock: another
# rate than the announced one, a sampler that stood still, or an index that jumped.
SPAN_US, TRUST_US = 5_000_000, 100_000


class SampleClock:
    """One uninterrupted count of samples. rate: as announced, exact. [Hz]"""

    def __init__(self, rate: Fraction) -> None:
        self._over, self._under = 1_000_000_000 * rate.denominator, rate.numerator
        self._began_us: int | None = None
        self._envelope_ns = self._start_ns = 0
        self._last = self._stamped = 0  # indices
        self._span_us = 0
        self._least_late_ns: int | None = None  # of the span
        self._parted_ns = 0

    def after_ns(self, index: int) -> int:
        """From the instant of index 0 to that of this sample. [ns]"""
        return index * self._over // self._under

    def hear(self, index: int, arrival_us: int, lag_us: int = 0) -> None:
        """The sample `index`, the last of its frame, was there at `arrival_us`.

        lag_us: the least that it needs from its instant until then.
        """
        suggested_ns = (arrival_us - lag_us) * 1000 - self.after_ns(index)
        if self._began_us is None:
            self._began_us = self._span_us = arrival_us
            self._envelope_ns = suggested_ns
        else:
            passed_ns = max(0, self.after_ns(index) - self.after_ns(self._last))
            self._envelope_ns += passed_ns * RISE_PPM // 1_000_000
        self._last = index
        late_ns = suggested_ns - self._envelope_ns
        self._envelope_ns = min(self._envelope_ns, suggested_ns)
        if not self.settled(arrival_us):
            self._start_ns, self._stamped = self._envelope_ns, index
        self._judge(late_ns, arrival_us)

    def settled(self, now_us: int) -> bool:
        """Whether the stamps can be relied on yet."""
        return self._began_us is not None and now_us - self._began_us >= SETTLE_US

    def start_ns(self, index: int) -> int:
        """Instant of index 0, for the samples up to `index`, which rises from call to call. [ns]

        From call to call it changes by a thousandth of the time between at most, so that instants
        of samples always rise.
        """
        passed_ns = max(0, self.after_ns(index) - self.after_ns(self._stamped))
        self._stamped = max(index, self._stamped)
        most_ns = passed_ns * FOLLOW_PPM // 1_000_000
        step_ns = self._envelope_ns - self._start_ns
        self._start_ns += min(most_ns, max(-most_ns, step_ns))
        return self._start_ns

    def parted_us(self) -> int:
        """How far the count and the time have parted; below 0: samples come early; 0: not. [us]"""
        early_ns = self._start_ns - self._envelope_ns
        if early_ns > TRUST_US * 1000:
            return -early_ns // 1000
        return self._parted_ns // 1000

    def _judge(self, late_ns: int, arrival_us: int) -> None:
        if self._least_late_ns is None or late_ns < self._least_late_ns:
            self._least_late_ns = late_ns
        if arrival_us - self._span_us < SPAN_US:
            return
        self._parted_ns = self._least_late_ns if self._least_late_ns > TRUST_US * 1000 else 0
        self._span_us, self._least_late_ns = arrival_us, None
