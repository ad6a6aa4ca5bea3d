"""Commands and results as items, alike on both interpreters."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.uplink import command

COMMAND = "agent.uplink.command"
NONCE = bytes(range(16))
CLOCK = [41, 5, 1_800_000_000_000_000, 2, 900]

COMMANDS = [
    {0: 2, 1: NONCE, 2: 5, 3: {"drill": "D-1"}},
    {0: 2, 1: NONCE, 2: [4, 77], 3: {}},
    {0: 9, 1: bytes(8), 2: 0, 7: "of a later version"},
    {0: 2, 1: NONCE, 2: 5, 3: {"n": 3}},
]
REFUSED: list[Any] = [
    None,
    [],
    {},
    {0: 0, 1: NONCE, 2: 5},
    {0: 2, 1: bytes(7), 2: 5},
    {0: 2, 1: bytes(33), 2: 5},
    {0: 2, 1: "nonce", 2: 5},
    {0: 2, 1: NONCE, 2: -1},
    {0: 2, 1: NONCE, 2: [4]},
    {0: 2, 1: NONCE, 2: [4, 1 << 63]},
    {0: 2, 1: NONCE, 2: True},
    {0: 2, 1: NONCE, 2: 5, 3: []},
    {0: 2, 1: NONCE, 2: 5, 3: {1: 2}},
    {0: 2, 1: NONCE, 2: 5, 3: {"a": None}},
    {0: 2, 1: NONCE, 2: 5, 3: {"a": "x" * 129}},
    {0: 2, 1: NONCE, 2: 5, 3: {str(n): n for n in range(9)}},
]
RESULTS = [
    {0: 2, 1: "done", 2: CLOCK, 3: "drill-stop", 4: NONCE, 5: "it is over"},
    {0: 2, 1: "refused", 2: [*CLOCK[:4], None], 3: "x"},
]
NO_RESULTS = [
    {0: 2, 1: "obeyed", 2: CLOCK, 3: "x"},
    {0: 2, 1: "done", 2: CLOCK[:4], 3: "x"},
    {0: 2, 1: "done", 2: [*CLOCK[:3], 4, 0], 3: "x"},
    {0: 2, 1: "done", 2: CLOCK, 3: ""},
    {0: 2, 1: "done", 2: CLOCK, 3: "x", 4: b"short"},
]


def test_a_command_there_and_back(board: Any) -> None:
    assert command.open_command(COMMANDS[0]) == (NONCE, 5, {"drill": "D-1"})
    assert command.open_command(COMMANDS[1]) == (NONCE, (4, 77), {})
    for nonce, deadline, arguments in map(command.open_command, COMMANDS):
        again = command.command(nonce, deadline, arguments)
        assert command.open_command(again) == (nonce, deadline, arguments)
    calls = [(COMMAND, "open_command", [item]) for item in COMMANDS]
    assert board(calls) == [command.open_command(item) for item in COMMANDS]


def test_a_result_there_and_back(board: Any) -> None:
    for item in RESULTS:
        stage, clock, operation, nonce, detail = command.open_result(item)
        assert command.result(stage, tuple(clock), operation, nonce, detail) == item
    calls = [(COMMAND, "open_result", [item]) for item in RESULTS]
    assert board(calls) == [command.open_result(item) for item in RESULTS]


@pytest.mark.parametrize("item", REFUSED)
def test_what_is_no_command_is_one_clear_error(item: Any) -> None:
    with pytest.raises(ValueError, match="expected"):
        command.open_command(item)


@pytest.mark.parametrize("item", NO_RESULTS)
def test_what_is_no_result_is_one_clear_error(item: Any) -> None:
    with pytest.raises(ValueError, match="expected"):
        command.open_result(item)


def test_the_board_refuses_the_same(board: Any) -> None:
    calls = [(COMMAND, "open_command", [item]) for item in REFUSED]
    calls += [(COMMAND, "open_result", [item]) for item in NO_RESULTS]
    assert {each.kind for each in board(calls)} == {"ValueError"}


ANY = st.recursive(
    st.none() | st.integers() | st.text(max_size=3) | st.binary(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.integers(0, 5) | st.text(max_size=2), inner, max_size=6)
    ),
    max_leaves=8,
)


@given(ANY)
def test_anything_opens_or_is_one_clear_error(item: Any) -> None:
    for opens in (command.open_command, command.open_result):
        try:
            opens(item)
        except ValueError as error:
            assert "expected" in str(error)
