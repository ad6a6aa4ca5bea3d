"""What a trouble makes doubtful, and how it is said."""

from __future__ import annotations

from typing import Any

import pytest

from agent.detect import troubles
from tests.agent.detect.test_open_ct import walked


@pytest.mark.parametrize(
    ("kind", "summed", "roles", "phases", "word"),
    [
        pytest.param(("open", "b"), False, ["ib"], "B", "ib", id="open"),
        pytest.param(("open", "b"), True, ["ib", "i0"], "B", "open", id="open-in-a-sum"),
        pytest.param(("flipped", "c"), True, ["ic", "i0"], "C", "wrong way round", id="flipped"),
        pytest.param(("lost", "ac"), False, ["ua", "uc", "u0"], "AC", "ua, uc", id="lost"),
        pytest.param(("order", "i:ca"), True, ["ic", "ia"], "CA", "ic, ia", id="swapped"),
        pytest.param(("order", "u:ab"), False, ["ua", "ub"], "AB", "ua, ub", id="swapped-voltages"),
        pytest.param(("order", "iu"), False, [], None, "A C B", id="the-network-goes-round-so"),
        pytest.param(("stuck", "i0"), False, ["i0"], None, "i0", id="stuck"),
        pytest.param(("stuck", "uc"), False, ["uc", "u0"], "C", "still", id="stuck-voltage"),
        pytest.param(("offset", "ia"), True, [], "A", "ia", id="an-offset-still-measures"),
        pytest.param(("flat", "ub"), True, [], "B", "stop", id="so-does-what-is-cut-off"),
    ],
)
def test_each_kind(
    kind: tuple[str, str], summed: bool, roles: Any, phases: Any, word: str, board: Any
) -> None:
    found = walked(board, "named", *kind, summed)

    assert found[0][: len(roles)] == roles
    assert set(found[0]) == set(roles)
    assert found[1] == phases
    assert word in found[2]


def test_every_kind_has_its_words() -> None:
    assert troubles.AFTER.keys() == troubles._SAID.keys()
