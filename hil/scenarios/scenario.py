"""What a scenario is: what happens, what is done to the device meanwhile, and what must come out.

The records only; how a file of the catalogue becomes one stands in language.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPLAY = "replay"


@dataclass(frozen=True, slots=True)
class Draw:
    """A case that plant/ draws and solves; the same words give the same case everywhere."""

    what: str
    earthing: str
    seed: int
    overrides: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Play:
    """How often a case is played, and from the beginning of one to that of the next. [s]

    load: in a replay, (s, factor) on the currents of the steady stretches between, from their
    beginning on; 1 at both ends.
    """

    times: int = 1
    every_s: float = 1.0
    load: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done to the device's surroundings. at_s, for_s: since the first sample. [s]

    for_s: None: for ever, or it has no length. options: the keys that this `what` has.
    """

    at_s: float
    what: str
    for_s: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Command:
    """A word to the device's own command, as a person at its console gives it.

    run: the words after `ftu-agent`; {site} {data} {broker} {folder} are filled in. at_s: None:
    after everything else, with the device ended. status: exit status. says: pattern of a line that
    it must print.
    """

    run: str
    at_s: float | None = None
    status: int = 0
    says: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """A message to the device: topic below ftu/1/{site}/{node}/, payload: sent as CBOR.

    signed: a command, of which the payload is the arguments, by a key that the device trusts.
    """

    at_s: float
    topic: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    signed: bool = False


@dataclass(frozen=True, slots=True)
class Expect:
    """Events that must come out, this often.

    where: a terminal's name; or "forward", "reverse", "alarm", "quiet": every terminal of which
        the truth says so; "all": every one; "any": all of them together.
    count: least and most. since: what within_ms counts from: "start", "onset", "clearing".
    within_ms: earliest and latest t. fields: any other fields of the event and their values.
    """

    event: str
    where: str = "any"
    count: tuple[int, int] = (1, 1_000_000)
    kind: str = ""
    direction: str = ""
    alarm: bool | None = None
    since: str = "start"
    within_ms: tuple[float, float] | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Retained:
    """A retained message that must stand at the broker in the end. fields: of its CBOR map."""

    topic: str
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is asked of the log and of the way to the consumer.

    arrives: every record of the log is at the consumer once, none invented, within_s after the end.
    log: "intact", or "damaged": `journal verify` must find it; "" : not looked at.
    """

    arrives: bool = False
    within_s: float = 30.0
    log: str = ""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One file of the catalogue.

    rows: of requirements.md. draw, folder: where the case comes from (drawn by plant/, or saved),
        one of both, or neither.
    terminals: that the device serves: names, or "alarm", "quiet", "forward", "reverse" for the
        first one of which the truth says so; none: all of the case.
    truth: judge every terminal by the case's own truth. unwired: channels that the device lacks.
    only_alarms: events that may raise an alarm although the truth gives no reason to.
    files: name to text, laid beside the site file; site: TOML added to it; uplink: lines added to
        its [uplink]; in these {utc+N} becomes the UTC instant N seconds after the first sample,
        {section} the first terminal's section.
    drill: the name of a drill that lies on the device's shelf, a replay of the case itself.
    """

    name: str
    title: str
    title_zh: str
    rows: tuple[str, ...]
    instrument: str = REPLAY
    not_yet: str = ""
    sample: bool = False
    folder: Path | None = None
    draw: Draw | None = None
    terminals: tuple[str, ...] = ()
    unwired: tuple[str, ...] = ()
    settings: str = ""
    site: str = ""
    uplink: str = ""
    drill: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    truth: bool = True
    only_alarms: tuple[str, ...] = ()
    settle_s: float = 2.0
    play: Play = Play()
    faults: tuple[Fault, ...] = ()
    commands: tuple[Command, ...] = ()
    messages: tuple[Message, ...] = ()
    expects: tuple[Expect, ...] = ()
    retained: tuple[Retained, ...] = ()
    delivery: Delivery = Delivery()

    @property
    def commands_it(self) -> bool:
        """Whether commands are sent to it, signed or not: it trusts the bench's key then."""
        return any(message.topic.startswith("cmd/") for message in self.messages)

    @property
    def live(self) -> bool:
        """Whether it needs the device to run, in real time."""
        return self.instrument != REPLAY
