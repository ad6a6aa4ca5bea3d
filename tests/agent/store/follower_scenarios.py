"""Stories of one lane, for both interpreters: what came, which heads, what is found.

A record of seq n is the byte n + 1. Hands that change it stand in `follow`'s steps:
("record", seq, byte), ("lost", first, last, reason), ("head", of seq, after, lost) of the true
chain, ("end",).

Portable.
"""

from hashlib import sha256

from agent.store import chain, entry
from agent.store.chain import Chain, Head
from agent.store.follower import Follower

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

EPOCH = 7


def true_head(
    seq: int, after: int, lost: "list[tuple[int, int, str]]", all_lost: "list[Any]"
) -> "Head":
    """The head of a lane in which exactly `all_lost` is lost."""
    ours = Chain(EPOCH, "a")
    while ours.seq < seq:
        at = ours.seq + 1
        found = [each for each in all_lost if each[0] == at]
        if found:
            ours.loss(at, found[0][1], found[0][2])
        else:
            ours.record(at, bytes([at % 256]))
    ours.after, ours.lost = after, lost
    columns = chain.head_columns(ours, 1, b"k" * 8, b"s" * 64)
    return Head(entry.compose(entry.HEAD, (1, 1, 1, 2, 1), columns))


def follow(
    steps: "list[Any]", all_lost: "list[Any]", seq: int = 0, most: "int | None" = None
) -> "list[tuple[str, int, int]]":
    """(kind, first, last) of each finding."""
    follower = Follower(EPOCH, "a", seq, None, most)
    found = []
    for step in steps:
        if step[0] == "record":
            # Made one after the other, as their bytes say.
            follower.record(step[1], sha256(bytes([step[2]])).digest(), (1, step[2]))
        elif step[0] == "lost":
            follower.loss(step[1], step[2], step[3])
        elif step[0] == "head":
            lost = [tuple(each) for each in step[3]]
            follower.head(true_head(step[1], step[2], lost, all_lost))
        else:
            found += follower.end()
    return [(each.kind, each.first, each.last) for each in found + follower.take()]
