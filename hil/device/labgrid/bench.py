"""Turns a board on a bench through labgrid, in labgrid's own environment (its pyserial and the
agent's cannot be together): an order as a line of JSON on standard input, an answer on standard
output. It imports nothing of the project, and knows nothing of what runs on the board.

    build/labgrid/bin/python hil/device/labgrid/bench.py ENVIRONMENT.yaml

Orders: {"do": "power", "how": "on" | "off" | "cycle"}, {"do": "login"}, {"do": "put", "path": ...,
"text": ...}, {"do": "run", "command": ..., "timeout_s": ...}, {"do": "options"}.
"""

from __future__ import annotations

import base64
import json
import logging
import sys
from typing import Any

from labgrid import Environment  # type: ignore[import-not-found]  # only in its own environment

# A console takes a line of so many bytes at most (the terminal's canonical mode has 4096).
PIECE = 512

Answer = dict[str, Any]


class Bench:
    """One board: its power and its console."""

    def __init__(self, environment: str) -> None:
        self.target = Environment(environment).get_target("main")
        if self.target is None:
            raise LookupError("the environment has no target 'main'")
        self.power = self.target.get_driver("PowerProtocol")
        self.shell = self.target.get_driver("CommandProtocol", activate=False)

    def do_options(self) -> Answer:
        """How the agent is called on the board, its folder, and where the board finds us."""
        config = self.target.env.config
        names = ("command", "folder", "address")
        return {name: config.get_target_option("main", name, "") for name in names}

    def do_power(self, how: str) -> Answer:
        """Whoever was logged in is out."""
        self.target.deactivate(self.shell)
        {"on": self.power.on, "off": self.power.off, "cycle": self.power.cycle}[how]()
        return {}

    def do_login(self) -> Answer:
        """Wait for the prompt of the console and log in."""
        self.target.activate(self.shell)
        return {}

    def do_put(self, path: str, text: str) -> Answer:
        """A file, through the console alone: the board may have no network yet."""
        coded = base64.b64encode(text.encode()).decode()
        self.shell.run_check(f": >{path}.b64")
        for at in range(0, len(coded), PIECE):
            self.shell.run_check(f"printf %s {coded[at : at + PIECE]} >>{path}.b64")
        self.shell.run_check(f"base64 -d {path}.b64 >{path} && rm {path}.b64")
        return {}

    def do_run(self, command: str, timeout_s: float = 30.0) -> Answer:
        """Its output, and its status."""
        lines, _, status = self.shell.run(command, timeout=timeout_s)
        return {"lines": lines, "status": status}


def main(environment: str) -> None:
    """Obey until nobody asks any more."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO)
    answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print is no answer
    bench: Bench | None = None
    for line in iter(sys.stdin.readline, ""):
        try:
            order = json.loads(line)
            bench = bench or Bench(environment)
            answer = getattr(bench, f"do_{order.pop('do')}")(**order)
        except Exception as error:  # noqa: BLE001  labgrid's drivers raise what their libraries do
            text = str(error).strip().splitlines() or [""]
            answer = {"error": f"{type(error).__name__}: {text[0]}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main(sys.argv[1])
