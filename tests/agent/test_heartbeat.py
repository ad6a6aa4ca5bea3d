"""Until when guard has decided, which has to outlive it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

from agent.heartbeat import WORD, Decided, beat
from agent.supervisor import WORD_BYTES

TELLS = """
import sys
from agent.heartbeat import Decided
decided = Decided(int(sys.argv[1]))
decided.tell(2 * decided.last_us())
print("told", flush=True)
sys.stdin.read()
"""


def test_what_a_killed_guard_has_decided_is_known_to_the_next() -> None:
    word = os.memfd_create("word")
    os.ftruncate(word, WORD_BYTES)
    assert WORD.size == WORD_BYTES
    decided = Decided(word)
    assert decided.last_us() == 0
    decided.tell(1 << 40)
    with subprocess.Popen(
        [sys.executable, "-c", TELLS, str(word)],
        pass_fds=[word],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as guard:
        assert guard.stdout is not None
        assert guard.stdout.readline() == b"told\n"
        guard.send_signal(signal.SIGKILL)
    assert decided.last_us() == 1 << 41


def test_the_heart_stops_when_nobody_listens_any_more() -> None:
    reading, writing = os.pipe()
    os.close(reading)

    asyncio.run(asyncio.wait_for(beat(writing), 5))
