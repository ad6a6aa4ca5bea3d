"""The server in twenty lines, run as it stands in the docstring and in the docs."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import textwrap
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from agent.clock import Stamp
from agent.records import Event
from agent.store import cbor, entries
from agent.uplink import consumer, topics, wire
from tests.agent.uplink.broker import eventually, mosquitto, run
from tests.agent.uplink.pretender import EPOCH, lost, pretending, records

STAMP = Stamp(1, 8, 1_700_000_000_000_008, 2, 900)


def example() -> str:
    """The code in the module's docstring."""
    doc = consumer.__doc__ or ""
    return textwrap.dedent(doc[doc.index("    async def serve") :]).rstrip() + "\n"


def made() -> Callable[..., Coroutine[Any, Any, None]]:
    known: dict[str, Any] = {**vars(consumer), "Event": Event}
    exec(compile(example(), "example", "exec"), known)  # noqa: S102  the code is ours
    served: Callable[..., Coroutine[Any, Any, None]] = known["serve"]
    return served


def test_it_has_twenty_lines() -> None:
    lines = [line for line in example().splitlines() if not line.lstrip().startswith("#")]

    assert len(lines) <= 20


def test_the_page_for_servers_shows_the_same() -> None:
    page = Path("docs/central-server.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)

    assert any(block.endswith(f"\n{example()}") for block in blocks)


def test_it_keeps_everything_and_acknowledges_after_its_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    database = sqlite3.connect(tmp_path / "server.db")
    shown: list[tuple[object, ...]] = []
    fault = Event(event="fault", bay="head", t_us=8, alarm=True, kind="BC")
    alarm = entries.event_entry(fault, STAMP, logged_us=9)
    envelope = cbor.dumps(wire.envelope(EPOCH, "a", [("record", 8, alarm)], 8192)[0])

    async def scenario(url: str) -> None:
        serving = asyncio.create_task(made()(url, database, lambda *row: shown.append(row)))
        async with pretending(url) as node:
            await node.tell(topics.STATE, cbor.dumps(wire.state(True, 1, 5)))
            await eventually(lambda: ("node", "State", None) in shown)
            await node.say(records(1, 4), lost(5, 7), envelope, records(1, 4))
            await eventually(lambda: node.acked() == 8)
            assert not serving.done()
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)

    with mosquitto(tmp_path / "broker") as broker:
        run(scenario(broker.url))
    kept = sqlite3.connect(tmp_path / "server.db").execute("SELECT seq, entry FROM record")
    assert [(seq, cbor.loads(entry)[0]) for seq, entry in sorted(kept)] == [
        *((seq, 5) for seq in range(1, 5)),
        (8, 1),
    ]
    assert [row[1:] for row in shown if row[1] not in ("Birth", "State")] == [
        ("lost a 5..7", "evicted"),
        ("fault", "BC"),
    ]
    database.close()
