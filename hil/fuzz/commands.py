"""Commands as they reach a terminal: by strangers, and by one who has the key and means harm."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from agent.clock import Clock, Stamp
from agent.store import cbor
from agent.store.ed25519 import Secret
from agent.uplink import command, commander, cose, topics
from agent.uplink.commands import Commands
from agent.uplink.nonces import Nonces
from hil.fuzz.oracle import Defect, shown
from hil.fuzz.stored import folder

if TYPE_CHECKING:
    from agent.uplink.command import Arguments

_SITE, _NODE = "site", "node"
_UTC_US = 1_700_000_000_000_000
_ROOM = Secret(bytes(32))
_OPERATIONS = (*command.OPERATIONS, "open-sesame")
_RAW, _SIGNED, _SEEN = range(3)


class _Still(Clock):
    """A clock that stands."""

    def __init__(self) -> None:
        self.boot = 1

    def now_us(self) -> int:
        return 5_000_000

    def stamp(self, mono_us: int) -> Stamp:
        return Stamp(1, mono_us, _UTC_US, 2, 900)


class _Nobody:
    """Takes what fits and counts it."""

    def __init__(self) -> None:
        self.obeyed = 0

    def check(self, operation: str, arguments: Arguments) -> None:
        if operation == "drill-start" and "drill" not in arguments:
            raise ValueError("no drill; expected its name")

    def lasts(self, operation: str) -> bool:
        return operation == "restart-link"

    def obey(self, operation: str, arguments: Arguments) -> tuple[str, str]:  # noqa: ARG002
        self.obeyed += 1
        return command.DONE, ""


def heard(data: bytes) -> None:
    """A command, twice. The first byte says how: as it is, signed, or after these bytes stand in
    the file of what was obeyed; the second one which.

    Each is told, only what is signed is obeyed, and never twice.
    """
    if len(data) < 2:
        return
    how, operation = data[0] % 3, _OPERATIONS[data[1] % len(_OPERATIONS)]
    payload, topic = data[2:], topics.topic(topics.CMD, _SITE, _NODE, operation)
    path = folder() / "commands"
    path.unlink(missing_ok=True)
    if how == _SEEN:
        path.write_bytes(payload)
        payload = next(iter(_messages(topic)))
    if how == _SIGNED:
        payload = cose.sign(payload[:8000], topic, _ROOM)
    told: list[str] = []
    hands = _Nobody()
    commands = Commands(
        trusted={_ROOM.public: "room"},
        nonces=Nonces(path, 1, 0, told.append),
        clock=_Still(),
        obeys=hands,
        journal=lambda *_: True,
        tell=told.append,
    )
    for _ in range(2):
        commands.hear(topic, operation, payload, retained=False)
    for line in told:
        shown(line)
    for result in commands.results:
        commander.opened(topics.topic(topics.RES, _SITE, _NODE), result)
    if hands.obeyed > (0 if how == _RAW and not cose.is_signed(payload) else 1):
        raise Defect(f"obeyed {hands.obeyed} times")


def _messages(topic: str) -> Iterator[bytes]:
    for item in _items():
        yield cose.sign(cbor.dumps(item), topic, _ROOM)


def _items() -> Iterator[dict[int, Any]]:
    yield command.command(bytes(16), _UTC_US + 60_000_000, {"drill": "D-1"})
    yield command.command(bytes(8), (1, 70_000_000), {})


def heard_examples() -> Iterator[bytes]:
    """Signed by whoever has the key, by us, and what stands in the file."""
    for number, operation in enumerate(command.OPERATIONS):
        topic = topics.topic(topics.CMD, _SITE, _NODE, operation)
        for message in _messages(topic):
            yield bytes([_RAW, number]) + message
    for item in _items():
        yield bytes([_SIGNED, 3]) + cbor.dumps(item)
    path = folder() / "commands-example"
    path.unlink(missing_ok=True)
    nonces = Nonces(path, 1, 0, lambda _: None)
    nonces.take(bytes(16), _UTC_US + 5, (_UTC_US, 5), ("restart-link", "room"))
    yield bytes([_SEEN, 0]) + path.read_bytes()
