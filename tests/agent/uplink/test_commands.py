"""Commands at the terminal: each refusal has its reason and changes nothing, each order its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import Clock, Stamp
from agent.store import cbor
from agent.store.ed25519 import Secret
from agent.uplink import command, commander, cose, topics
from agent.uplink.commander import Order, Result
from agent.uplink.commands import Commands
from agent.uplink.nonces import Nonces

S = 1_000_000
UTC_US = 1_800_000_000 * S
SOON = UTC_US + 60 * S
ROOM, STRANGER = Secret(bytes(32)), Secret(bytes([7]) * 32)
SITE, NODE = "hebin", "ftu-7"


class At(Clock):
    """A clock that stands still until it is set, and knows UTC or not."""

    def __init__(self) -> None:
        self.boot, self.us, self.source = 4, 100 * S, 2

    def now_us(self) -> int:
        return self.us

    def stamp(self, mono_us: int) -> Stamp:
        known = UTC_US if self.source else 0
        return Stamp(self.boot, mono_us, known + mono_us - 100 * S, self.source, 900)


class Desk:
    """A terminal's commands, and all that they can reach."""

    def __init__(self, folder: Path, trusted: dict[bytes, str] | None = None) -> None:
        self.clock = At()
        self.obeyed: list[tuple[str, dict[str, Any]]] = []
        self.journaled: list[tuple[str, str | None, str]] = []
        self.told: list[str] = []
        self.disk_works = True
        self._folder = folder
        self._trusted = {ROOM.public: "room"} if trusted is None else trusted
        self.start()

    def start(self) -> None:
        path = self._folder / "commands"
        self.commands = Commands(
            trusted=self._trusted,
            nonces=Nonces(path, self.clock.boot, self.clock.us, self.told.append),
            clock=self.clock,
            obeys=self,
            journal=self._journal,
            tell=self.told.append,
        )

    def _journal(self, *told: Any) -> bool:
        if self.disk_works:
            self.journaled.append(told)
        return self.disk_works

    def check(self, operation: str, arguments: Any) -> None:
        if operation == "drill-start" and "drill" not in arguments:
            raise ValueError("no drill; expected its name")

    def lasts(self, operation: str) -> bool:
        return operation == "restart-link"

    def obey(self, operation: str, arguments: Any) -> tuple[str, str]:
        self.obeyed.append((operation, arguments))
        if operation == "drill-stop":
            return command.FAILED, "no drill runs"
        return (command.EXECUTING if self.lasts(operation) else command.DONE), ""

    def hear(
        self, payload: bytes, operation: str = "drill-start", *, retained: bool = False
    ) -> None:
        topic = topics.topic(topics.CMD, SITE, NODE, operation)
        self.commands.hear(topic, operation, payload, retained=retained)

    def results(self) -> list[Result]:
        place = topics.topic(topics.RES, SITE, NODE)
        found = [commander.opened(place, payload) for payload in self.commands.results]
        self.commands.results.clear()
        return found

    def stages(self) -> list[str]:
        return [result.stage for result in self.results()]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def order(operation: str = "drill-start", **arguments: Any) -> Order:
    return Order(SITE, NODE, operation, arguments or {"drill": "D-1"})


def test_a_signed_command_is_obeyed_answered_stage_by_stage_and_journaled(desk: Desk) -> None:
    one = order()
    desk.hear(one.message(ROOM, SOON))

    assert desk.obeyed == [("drill-start", {"drill": "D-1"})]
    results = desk.results()
    assert [result.stage for result in results] == ["accepted", "executing", "done"]
    assert {result.nonce for result in results} == {one.nonce}
    assert results[0].clock == Stamp(4, 100 * S, UTC_US, 2, 900)
    told = f"drill-start: nonce {one.nonce.hex()}"
    assert desk.journaled == [("accepted", "room", told), ("done", "room", told)]


def signed(item: Any, secret: Secret = ROOM, operation: str = "drill-start") -> bytes:
    topic = topics.topic(topics.CMD, SITE, NODE, operation)
    return cose.sign(cbor.dumps(item), topic, secret)


GOOD = {0: 2, 1: bytes(16), 2: SOON, 3: {"drill": "D-1"}}
# payload, who is named in the log, the reason.
REFUSED = [
    pytest.param(b"", "unsigned", "is not signed", id="nothing"),
    pytest.param(cbor.dumps({"nonce": 1}), "unsigned", "is not signed", id="unsigned"),
    pytest.param(b"\xd2\xff", "unsigned", "CBOR", id="no-cbor"),
    pytest.param(cose.TAG + b"\x80", "unsigned", "expected COSE_Sign1", id="no-parts"),
    pytest.param(signed(GOOD, STRANGER), "unsigned", "is not among those", id="a-strange-key"),
    pytest.param(
        signed(GOOD, operation="drill-stop"), "unsigned", "is not that of room", id="moved"
    ),
    pytest.param(signed([]), "room", "expected a map", id="no-map"),
    pytest.param(signed({**GOOD, 1: b"short"}), "room", "nonce", id="short-nonce"),
    pytest.param(signed({**GOOD, 2: None}), "room", "deadline", id="no-deadline"),
    pytest.param(signed({**GOOD, 2: -1}), "room", "deadline", id="negative-deadline"),
    pytest.param(signed({**GOOD, 3: {"drill": None}}), "room", "drill", id="odd-argument"),
    pytest.param(signed({**GOOD, 3: {}}), "room", "no drill", id="argument-missing"),
    pytest.param(signed({**GOOD, 2: UTC_US}), "room", "its time is over", id="late"),
    pytest.param(signed({**GOOD, 2: UTC_US + 601 * S}), "room", "600 s ahead", id="far"),
    pytest.param(signed({**GOOD, 2: [3, 110 * S]}), "room", "its time is over", id="old-boot"),
]


@pytest.mark.parametrize(("payload", "who", "why"), REFUSED)
def test_what_is_refused_changes_nothing_and_is_told_with_its_reason(
    desk: Desk, payload: bytes, who: str, why: str
) -> None:
    desk.hear(payload)

    assert desk.obeyed == []
    (result,) = desk.results()
    assert (result.stage, result.operation) == ("refused", "drill-start")
    assert why in (result.detail or "")
    ((stage, told_who, detail),) = desk.journaled
    assert (stage, told_who) == ("refused", who)
    assert why in detail
    assert desk.commands.refused == 1


def test_a_command_that_nobody_knows_is_refused_also_when_it_is_signed(desk: Desk) -> None:
    desk.hear(signed(GOOD, operation="open-sesame"), "open-sesame")

    assert desk.obeyed == []
    ((stage, who, detail),) = desk.journaled
    assert (stage, who) == ("refused", "room")
    assert "no such command" in detail


def test_a_retained_command_is_refused(desk: Desk) -> None:
    desk.hear(order().message(ROOM, SOON), retained=True)

    assert (desk.obeyed, desk.stages()) == ([], ["refused"])


def test_who_trusts_nobody_obeys_nobody(tmp_path: Path) -> None:
    desk = Desk(tmp_path, trusted={})
    desk.hear(order().message(ROOM, SOON))

    assert desk.obeyed == []
    assert "trusts nobody" in desk.journaled[0][2]


def test_a_command_is_obeyed_once_also_after_a_restart(desk: Desk) -> None:
    message = order().message(ROOM, SOON)
    desk.hear(message)
    desk.hear(message)
    desk.start()
    desk.hear(message)

    assert len(desk.obeyed) == 1
    assert [stage for stage, _, _ in desk.journaled].count("refused") == 2
    assert "obeyed before" in desk.journaled[-1][2]


def test_what_fails_is_told_as_failed(desk: Desk) -> None:
    desk.hear(order("drill-stop", a=1).message(ROOM, SOON), "drill-stop")

    assert desk.stages() == ["accepted", "executing", "failed"]
    assert desk.journaled[-1][0] == "failed"
    assert desk.journaled[-1][2].endswith("no drill runs")


def test_a_restart_has_its_end_when_link_is_there_again(desk: Desk) -> None:
    one = order("restart-link", a=1)
    desk.hear(one.message(ROOM, SOON), "restart-link")
    assert desk.stages() == ["accepted", "executing"]

    for done in (["done"], []):
        desk.start()
        desk.commands.resume()
        assert desk.stages() == done
    assert desk.journaled[-1][:2] == ("done", "room")


def test_without_the_time_only_the_terminals_own_clock_counts(desk: Desk) -> None:
    desk.clock.source = 0
    desk.hear(order().message(ROOM, SOON))
    assert "does not know the time" in desk.journaled[-1][2]

    challenge = order("time-challenge", a=1).message(ROOM, SOON)
    desk.hear(challenge, "time-challenge")
    clock = desk.results()[-1].clock
    desk.hear(challenge, "time-challenge")
    assert "obeyed before" in desk.journaled[-1][2]

    desk.hear(order().message(ROOM, (clock.boot, clock.mono_us + 30 * S)))
    assert [operation for operation, _ in desk.obeyed] == ["time-challenge", "drill-start"]


def test_what_cannot_be_remembered_or_journaled_is_not_obeyed(desk: Desk, tmp_path: Path) -> None:
    desk.disk_works = False
    desk.hear(order().message(ROOM, SOON))
    assert desk.stages() == ["accepted", "refused"]

    desk.disk_works = True
    desk.commands._nonces._path = tmp_path / "commands" / "below-a-file"
    desk.hear(order().message(ROOM, SOON))
    assert "no command can be remembered" in desk.journaled[-1][2]
    assert desk.obeyed == []


def test_a_flood_of_what_is_refused_neither_fills_the_log_nor_hides(desk: Desk) -> None:
    for _ in range(1000):
        desk.hear(b"\x80")
    assert desk.commands.refused == 1000
    assert len(desk.journaled) <= 30

    desk.clock.us += 60 * S
    desk.hear(b"\x80")
    assert f"and {1000 - 30} refused before it" in desk.journaled[-1][2]
    desk.hear(order().message(ROOM, desk.clock.stamp(desk.clock.us).utc_us + S))
    assert len(desk.obeyed) == 1


@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_do_anything(data: bytes, tagged: bool) -> None:
    desk = Desk(Path("/nowhere"))
    desk.hear(cose.TAG + data if tagged else data)

    assert (desk.obeyed, desk.stages()) == ([], ["refused"])
