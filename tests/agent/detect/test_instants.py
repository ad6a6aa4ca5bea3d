from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from agent.detect.instants import Instants, Moment
from agent.records import Block, Layout

RATES = st.sampled_from([Fraction(4000), Fraction("7678.36"), Fraction(51_200), Fraction(800)])


@given(
    rate=RATES,
    start_us=st.integers(-(10**9), 10**15),
    first=st.integers(0, 10**10),
    ahead_us=st.integers(-(10**6), 10**6),
)
def test_the_first_decision_at_an_instant_or_later_is_found(
    rate: Fraction, start_us: int, first: int, ahead_us: int
) -> None:
    block = Block(Layout("wire", (), rate), first, start_us, np.empty((0, 0)))
    when = Instants(block, first, 80)
    t_us = when.t_us(0) + ahead_us
    k = when.at(t_us)

    assert when.t_us(k) >= t_us > when.t_us(k - 1)


def test_a_reading_covers_the_time_since_the_one_before() -> None:
    when = Moment(t_us=700, since_us=500)
    assert (when.t_us(0), when.since_us(0), when.index(0)) == (700, 500, 0)
    assert [when.at(t_us) for t_us in (600, 700, 701)] == [0, 0, 1]
