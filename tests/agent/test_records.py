from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from agent.records import Block, Channel, Event, Layout, event_json


@pytest.mark.parametrize(
    "wrong",
    [{"kind": "AN"}, {"direction": "north"}, {"outcome": "gone"}, {"confidence": 1.5}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_an_event_checks_itself_and_says_what_it_expected(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Event(event="fault", bay="b", t_us=0, **wrong)


def test_json_leaves_out_what_is_absent() -> None:
    shown = event_json(Event(event="dip", bay="b", t_us=1_500_000), record="r")
    assert shown == {"record": "r", "bay": "b", "event": "dip", "alarm": False, "t": 1.5}


def test_a_samples_instant_is_exact_at_any_rate() -> None:
    layout = Layout("s", (Channel("ia", "A"),), Fraction("7678.36"))
    block = Block(layout, 0, 100, np.zeros((1, 4)))
    # A day of samples: no float would keep the microsecond.
    assert block.sample_us(86_400 * 767836 // 100) == 100 + 86_400 * 1_000_000


def test_a_layout_finds_its_channels_by_name() -> None:
    layout = Layout("s", (Channel("ia", "A"), Channel("ib", "A")))
    assert layout.index("ib") == 1
    with pytest.raises(KeyError):
        layout.index("ic")
