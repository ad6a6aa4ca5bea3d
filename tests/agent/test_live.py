from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

from agent.live import LiveSender, receiving


def test_what_guard_sends_link_gets_and_nonsense_is_counted(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)  # longer than a socket's path may be
    deep.mkdir(parents=True)
    got: list[dict[str, Any]] = []

    async def scenario() -> int:
        sender = LiveSender(deep)
        sender.send({"grew": "a"})  # link is not there yet
        async with receiving(deep, got.append) as receiver:
            sender.send({"grew": "a"})
            sender.send({"meters": []})
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
                stranger.sendto(b"\xff", sender._address)
                stranger.sendto(b"[1]", sender._address)
            async with asyncio.timeout(5):
                while len(got) < 2 or receiver.refused < 2:  # noqa: ASYNC110
                    await asyncio.sleep(0.001)
        sender.send({"grew": "a"})
        dropped = sender.dropped
        sender.close()
        return dropped

    assert asyncio.run(scenario()) == 2
    assert got == [{"grew": "a"}, {"meters": []}]


def test_a_link_that_is_slow_is_not_waited_for(tmp_path: Path) -> None:
    async def scenario() -> int:
        sender = LiveSender(tmp_path)
        async with receiving(tmp_path, lambda _: None):
            for _ in range(100_000):  # the loop never gets its turn: nobody reads
                sender.send({"grew": "a"})
                if sender.dropped:
                    break
        dropped = sender.dropped
        sender.close()
        return dropped

    assert asyncio.run(scenario()) > 0
