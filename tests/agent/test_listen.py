"""What the reference consumer shows, a line for each thing that comes."""

from __future__ import annotations

import json

from agent import listen
from agent.uplink import topics
from agent.uplink.delivered import DeclaredLost, Delivered, State, opened
from tests.agent.uplink.pretender import EPOCH, birth, records


def shown(each: Delivered) -> dict[str, object]:
    line = json.dumps(listen.told(each))
    found: dict[str, object] = json.loads(line)
    return found


def test_a_birth_says_who_and_how_far() -> None:
    (born,) = opened(topics.topic(topics.BIRTH, "site", "node"), birth("node", {"a": 10}))

    told = shown(born)

    assert told["event"] == "birth"
    assert told["lanes"] == {"a": {"epoch": EPOCH, "lowest": 1, "next": 10, "lost": []}}
    assert told["config_hash"] == b"h".hex()
    assert listen._text(born) == "site/node  birth"


def test_a_state_says_online_or_offline() -> None:
    for online, word in ((True, "online"), (False, "offline")):
        state = State("site", "node", online, 7, None)
        assert shown(state) == {"site": "site", "node": "node", "event": word, "conn": 7}
        assert listen._text(state) == f"site/node  {word}"


def test_a_record_has_its_site_and_key_and_a_loss_its_range() -> None:
    (each,) = opened(topics.topic(topics.LANES["a"], "site", "node"), records(7))
    key = {"node": "node", "epoch": EPOCH, "lane": "a", "seq": 7}

    told = shown(each)
    assert (told["site"], told["what"], told["key"]) == ("site", "a7", key)

    told = shown(DeclaredLost("site", "node", EPOCH, "a", 7, 9, "evicted"))
    assert (told["event"], told["lost"], told["key"]) == ("log_loss", [7, 9], key)


def test_columns_of_a_later_type_are_shown_even_as_bytes() -> None:
    from agent.store import entries

    told = entries.shown([99, 1, 2, 3, 2, None, b"\x00\xff", ["text", 1]])

    assert json.loads(json.dumps(told))["columns"] == ["00ff", ["text", 1]]
