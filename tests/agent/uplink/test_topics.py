from __future__ import annotations

from typing import Any

import pytest

from agent.uplink import command, topics

ROUNDS = [
    ("birth", ["hebin", "ftu-7"], "ftu/1/hebin/ftu-7/birth"),
    ("state", ["hebin", "ftu-7"], "ftu/1/hebin/ftu-7/state"),
    ("e/a", ["hebin", "ftu-7"], "ftu/1/hebin/ftu-7/e/a"),
    ("m", ["hebin", "ftu-7"], "ftu/1/hebin/ftu-7/m"),
    ("ack/{consumer}", ["hebin", "ftu-7", "scada"], "ftu/1/hebin/ftu-7/ack/scada"),
    ("_host/{consumer}", ["hebin", None, "scada"], "ftu/1/hebin/_host/scada"),
    ("e/w", ["hebin", "ftu-7"], "ftu/1/hebin/ftu-7/e/w"),
    ("replay", ["hebin", "ftu-7"], "ftu/1/hebin/ftu-7/replay"),
    ("ask", ["hebin", "ftu-7"], "ftu/1/hebin/ftu-7/ask"),
    ("cmd/{op}", ["hebin", "ftu-7", "drill-stop"], "ftu/1/hebin/ftu-7/cmd/drill-stop"),
    ("res", ["hebin", "ftu-7"], "ftu/1/hebin/ftu-7/res"),
    ("_ctl/drain", ["hebin", None], "ftu/1/hebin/_ctl/drain"),
]


@pytest.mark.parametrize(("name", "parts", "text"), ROUNDS)
def test_a_topic_there_and_back(board: Any, name: str, parts: list[Any], text: str) -> None:
    assert topics.topic(name, *parts) == text
    parsed = topics.parse(text)
    assert parsed[:3] == (name, parts[0], parts[1])
    assert parsed[3] == (parts[2] if len(parts) > 2 else None)
    assert board([("agent.uplink.topics", "parse", [text])]) == [parsed]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ftu/1",
        "ftu/2/s/n/birth",
        "ftu/1/s/n/nothing",
        "ftu/1/s/n/e/q",
        "ftu/1/a b/n/birth",
        "ftu/1/s/n/ack/",
        "ftu/1/s/n/birth/more",
        "ftu/1/" + "s" * 33 + "/n/birth",
        "ftu/1/s/n/cmd/",
        "ftu/1/s/n/cmd/set/drain",
    ],
)
def test_what_is_no_topic_of_ours_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        topics.parse(text)


def test_nothing_in_the_table_switches() -> None:
    assert not [name for name in topics.TOPICS if "switch" in name]
    # contract.md, section 4, word for word: whoever adds one has to come by here.
    assert command.OPERATIONS == (
        "restart-link",
        "time-challenge",
        "fetch-record",
        "drill-start",
        "drill-stop",
        "rotate-certificate",
        "set-drain",
    )
