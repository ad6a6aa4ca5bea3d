from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from agent.store.follower import Follower
from tests.agent.store.follower_scenarios import EPOCH, follow, true_head

TORN = [4, 6, "torn"]


def records(*seqs: int) -> list[Any]:
    return [("record", seq, seq) for seq in seqs]


def head(seq: int, after: int = 0, *lost: list[Any]) -> tuple[Any, ...]:
    return ("head", seq, after, list(lost))


END = ("end",)
TWO = [head(4), head(8, 4)]

STORIES = {
    "all-is-well": ([*TWO, *records(*range(1, 9)), END], [], []),
    "heads-come-last": ([*records(*range(1, 9)), *TWO, END], [], []),
    "backwards": ([*TWO[::-1], *records(*range(8, 0, -1)), END], [], []),
    "everything-twice": ([*TWO, *TWO, *records(*range(1, 9)), *records(3, 8), END], [], []),
    "a-head-between-is-missing": ([head(8, 4), *records(*range(1, 9)), END], [], []),
    "no-head-yet": ([*TWO, *records(*range(1, 11)), END], [], [("unproven", 9, 10)]),
    "edited": ([*TWO, *records(1), ("record", 2, 99), *records(*range(3, 9)), END], [],
               [("edited", 1, 4)]),
    "edited-behind-a-head": ([*TWO, *records(*range(1, 8)), ("record", 8, 99), END], [],
                             [("edited", 5, 8)]),
    "neighbours-swapped": ([*TWO, ("record", 1, 2), ("record", 2, 1), *records(*range(3, 9)), END],
                           [], [("reordered", 1, 2)]),
    "turned-round": ([*TWO, *[("record", n, 5 - n) for n in range(1, 5)], *records(5, 6, 7, 8),
                      END], [], [("reordered", 1, 4)]),
    "repeated": ([*TWO, *records(1, 2), ("record", 3, 2), *records(4, 5, 6, 7, 8), END], [],
                 [("repeated", 2, 3)]),
    "cut": ([*TWO, *records(*range(1, 7)), END], [], [("cut", 7, 8), ("unproven", 5, 6)]),
    "nothing-left": ([*TWO, END], [], [("cut", 1, 8)]),
    "one-seq-two-records": ([*records(1, 2), ("record", 2, 9), END], [],
                            [("forked", 2, 2), ("unproven", 1, 2)]),
    "lost-as-signed": ([head(8, 0, TORN), *records(1, 2, 3), ("lost", 4, 6, "torn"),
                        *records(7, 8), END], [TORN], []),
    "lost-told-in-pieces": ([head(8, 0, TORN), *records(1, 2, 3), ("lost", 6, 6, "torn"),
                             ("lost", 4, 5, "torn"), *records(7, 8), END], [TORN], []),
    "lost-for-another-reason-since": ([head(8, 0, TORN), *records(1, 2, 3), ("lost", 4, 6, "quota"),
                                       *records(7, 8), END], [TORN], []),
    "received-before-the-log-lost-it": ([head(8, 0, TORN), *records(*range(1, 9)), END], [TORN],
                                        [("received", 4, 6)]),
    "lost-since": ([*TWO, *records(1, 2), ("lost", 3, 3, "damaged"), *records(*range(4, 9)), END],
                   [], [("lost", 3, 3), ("unproven", 1, 4)]),
    "removed-since": ([*TWO, ("lost", 1, 3, "quota"), *records(*range(4, 9)), END], [],
                      [("unproven", 1, 3), ("unproven", 4, 4)]),
    "declared-torn-to-hide-it": ([*TWO, *records(1, 2, 3), ("lost", 4, 6, "torn"), *records(7, 8),
                                  END], [],
                                 [("lost", 4, 4), ("unproven", 1, 3), ("lost", 5, 6),
                                  ("unproven", 7, 8)]),
    "only-losses": ([head(6, 0, [1, 6, "quota"]), ("lost", 1, 6, "quota"), END], [[1, 6, "quota"]],
                    []),
}  # fmt: skip


@pytest.mark.parametrize(("steps", "lost", "expected"), STORIES.values(), ids=STORIES)
def test_what_a_follower_finds(
    steps: list[Any], lost: list[Any], expected: list[tuple[str, int, int]]
) -> None:
    assert follow(steps, lost) == expected


def test_the_board_finds_the_same(board: Any) -> None:
    module = "tests.agent.store.follower_scenarios"
    calls = [(module, "follow", [steps, lost]) for steps, lost, _ in STORIES.values()]
    assert board(calls) == [expected for _, _, expected in STORIES.values()]


def test_behind_a_seq_whose_chain_is_not_known_the_first_head_is_believed() -> None:
    steps = [*records(3, 4, 5, 6, 7, 8), *TWO, END]
    assert follow(steps, [], 2) == [("unproven", 3, 4)]
    steps = [*records(5, 6, 7), ("record", 8, 99), *TWO, END]
    assert follow(steps, [], 4) == [("edited", 5, 8)]


def test_memory_ends_where_no_head_comes() -> None:
    steps = [*records(*range(1, 60))]
    assert follow(steps, [], 0, 20) == [("unproven", 1, 21), ("unproven", 22, 42)]
    assert follow([*steps, head(59, 8), END], [], 0, 20)[2:] == [("unproven", 43, 59)]


def test_two_signed_heads_that_contradict_each_other() -> None:
    """The second one is of a lane in which 3 and 4 are lost: the same device, another history."""
    lost = [(3, 4, "torn")]
    follower = Follower(EPOCH, "a")
    for seq in range(1, 5):
        follower.record(seq, sha256(bytes([seq])).digest())
    follower.head(true_head(4, 0, [], []))
    follower.head(true_head(4, 0, lost, lost))
    assert [finding.kind for finding in follower.take()] == ["forked"]
