"""The same calls on CPython and on the board: portable files are tested under both interpreters.

One file for both ends. Here `run` starts the unix port of MicroPython on this very file and feeds
it calls as JSON lines; there `_serve` makes the calls and answers, one line each. Values travel
with their types: bytes as lists of numbers, floats by their eight bytes, so that "the same answer"
means the same to the last bit.

Portable.
"""

import json
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Starting takes some 35 ms; a table of thousands of calls a second or two.
DEADLINE_S = 60

# An exception is compared by its kind: the board has fewer classes than CPython.
KINDS = {
    "UnicodeError": "ValueError",
    "UnicodeDecodeError": "ValueError",
    "UnicodeEncodeError": "ValueError",
    "error": "ValueError",  # struct.error
    "ImportError": "ImportError",
    "ModuleNotFoundError": "ImportError",
    "FileNotFoundError": "OSError",
}


class Failure:
    """A call that raised: the kind of exception, and its text, which is not compared."""

    def __init__(self, kind: str, text: str = "") -> None:
        self.kind = KINDS.get(kind, kind)
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Failure) and self.kind == other.kind

    def __hash__(self) -> int:
        return hash(self.kind)

    def __repr__(self) -> str:
        return f"Failure({self.kind!r}, {self.text!r})"


def here(calls: "list[Any]") -> "list[Any]":
    """Answers of CPython to [(module, function, args), ...]; a call that raises: a Failure."""
    return [_answer(module, function, args) for module, function, args in calls]


def run(calls: "list[Any]", micropython: str, directory: str) -> "list[Any]":
    """Answers of the board to the same calls.

    calls: [(module, function, args), ...], made in this order by one process; modules are found
    below the repository's root. Arguments and answers: null, booleans, numbers, text, bytes,
    lists, tuples and maps of these. micropython: the executable; directory: a neutral one to
    work in, since the board looks for modules in its own directory first.
    """
    import os
    import subprocess
    from pathlib import Path

    root = Path(__file__).resolve().parents[1]
    environment = dict(os.environ, MICROPYPATH=f"{root}:.frozen")
    lines = [json.dumps([module, name, pack(list(args))]) for module, name, args in calls]
    done = subprocess.run(
        # As a module, since a script's own directory would come first in the board's path.
        [micropython, "-m", "tests.portable"],
        input="".join(line + "\n" for line in lines).encode(),
        capture_output=True,
        env=environment,
        cwd=directory,
        timeout=DEADLINE_S,
        check=False,
    )
    answers = [unpack(json.loads(line)) for line in done.stdout.splitlines()]
    if done.returncode or len(answers) != len(calls):
        raise RuntimeError(
            f"{len(answers)} of {len(calls)} calls answered, status {done.returncode}: "
            f"{done.stderr.decode(errors='replace')[-500:]}"
        )
    return answers


def pack(value: object) -> object:
    """The value as JSON that keeps its type."""
    if value is None or isinstance(value, (bool, str, int)):
        return value
    if isinstance(value, float):
        return {"float": list(struct.pack(">d", value))}
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"bytes": list(bytes(value))}
    if isinstance(value, tuple):
        return {"tuple": [pack(each) for each in value]}
    if isinstance(value, list):
        return [pack(each) for each in value]
    if isinstance(value, dict):
        return {"map": [[pack(key), pack(each)] for key, each in value.items()]}
    if isinstance(value, Failure):
        return {"failure": [value.kind, value.text]}
    raise TypeError(f"{value!r} cannot travel between the interpreters")


def unpack(packed: object) -> object:
    """The inverse of `pack`."""
    if isinstance(packed, list):
        return [unpack(each) for each in packed]
    if not isinstance(packed, dict):
        return packed
    ((kind, content),) = packed.items()
    if kind == "float":
        return struct.unpack(">d", bytes(content))[0]
    if kind == "bytes":
        return bytes(content)
    if kind == "tuple":
        return tuple([unpack(each) for each in content])
    if kind == "map":
        return {unpack(key): unpack(each) for key, each in content}
    return Failure(content[0], content[1])


def _answer(module: str, function: str, args: "Any") -> object:
    try:
        __import__(module)
        return getattr(sys.modules[module], function)(*args)
    except Exception as error:
        return Failure(type(error).__name__, str(error))


def _serve() -> None:
    for line in sys.stdin:
        module, function, args = json.loads(line)
        print(json.dumps(pack(_answer(module, function, unpack(args)))))


if __name__ == "__main__":
    _serve()
