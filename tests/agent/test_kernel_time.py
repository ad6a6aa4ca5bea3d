from __future__ import annotations

import time

import pytest

from agent import kernel_time


def test_the_kernel_tells_its_discipline() -> None:
    kernel = kernel_time.read().kernel
    assert kernel is not None  # Linux answers everybody
    assert kernel.maxerror_us >= 0
    assert 0 <= kernel.state <= 5


def test_both_clocks_are_read_at_one_instant() -> None:
    before_us, reading, after_us = kernel_time.now_us(), kernel_time.read(), kernel_time.now_us()
    assert before_us <= reading.mono_us <= after_us
    assert abs(reading.utc_us - time.time_ns() // 1000) < 1_000_000


def test_a_look_that_was_disturbed_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([0, 900_000, 900_010, 900_020])  # put aside for 0.9 s in the first look
    monkeypatch.setattr(kernel_time, "now_us", lambda: next(ticks))
    assert kernel_time.read().mono_us == 900_015
