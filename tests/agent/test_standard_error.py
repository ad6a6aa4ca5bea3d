"""What cannot be told ends nobody: standard error is /dev/full, which takes nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def on_full(*command: str) -> subprocess.CompletedProcess[str]:
    with Path("/dev/full").open("w") as full:
        return subprocess.run(
            [sys.executable, *command], stdout=subprocess.PIPE, stderr=full, text=True, check=False
        )


def test_a_line_that_cannot_be_written_is_a_line_less() -> None:
    said = "import sys; from agent import standard_error; standard_error.make_unfailing()\n"

    ended = on_full("-c", said + "sys.stderr.write('x' * 9000 + chr(10)); print('alive')")

    assert (ended.returncode, ended.stdout) == (0, "alive\n")


@pytest.mark.parametrize("role", ["guard", "link"])
def test_a_process_ends_with_the_status_of_its_own_reason(role: str) -> None:
    assert on_full("-m", "agent.app", role, "nowhere.toml", "1", "0", "0").returncode == 2


def test_where_there_is_room_every_line_is_there() -> None:
    said = "import sys; from agent import standard_error; standard_error.make_unfailing()\n"
    code = said + "sys.stderr.write('a\\n'); sys.stderr.write('\\udc80\\n'); raise SystemExit('b')"

    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )

    assert ended.stderr == "a\n\\udc80\nb\n"
