"""A labgrid bench whose board is a program (device/fake_board.py)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

LABGRID = Path(os.environ.get("FTU_LABGRID", "build/labgrid/bin/python"))
ENVIRONMENT = """
targets:
  main:
    drivers:
      ExternalConsoleDriver:
        cmd: '{python} {board} {folder}'
      ExternalPowerDriver:
        cmd_on: 'touch {folder}/power'
        cmd_off: 'rm -f {folder}/power'
        delay: 0.3
      ShellDriver:
        prompt: 'root@fake-board:~# '
        login_prompt: 'fake-board login: '
        username: root
        password: bench
        login_timeout: 10
        await_login_timeout: 1
    options:
      command: '{python} -m agent'
      folder: {folder}/agent
"""


def environment(folder: Path) -> Path:
    board = folder / "board"
    board.mkdir()
    path = folder / "environment.yaml"
    program = Path(__file__).parent / "device" / "fake_board.py"
    path.write_text(ENVIRONMENT.format(python=sys.executable, board=program, folder=board))
    return path
