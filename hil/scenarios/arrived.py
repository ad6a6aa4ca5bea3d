"""What a scenario asks of commands, retained messages, the log and the way to the consumer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hil.scenarios.came import Came, Key, Log
from hil.scenarios.expected import is_value
from hil.scenarios.scenario import Scenario
from hil.verdict import Check


def checks(scenario: Scenario, came: Came) -> Iterator[Check]:
    """All of them."""
    yield from _commands(scenario, came)
    yield from _retained(scenario, came)
    yield from _delivery(scenario, came)


def _commands(scenario: Scenario, came: Came) -> Iterator[Check]:
    said = {each.run: each for each in came.said}
    for command in scenario.commands:
        name = f"ftu-agent {command.run}"
        answer = said.get(command.run)
        if answer is None:
            yield Check(name, False, "it was never run")
            continue
        right = answer.status == command.status and (
            not command.says or re.search(command.says, answer.output, re.MULTILINE) is not None
        )
        wanted = f"status {command.status}" + (f" and {command.says!r}" if command.says else "")
        line = next(iter(answer.output.strip().splitlines()[-1:]), "nothing")
        yield Check(name, right, f"status {answer.status}, it says {line!r}; expected {wanted}")


def _retained(scenario: Scenario, came: Came) -> Iterator[Check]:
    for wanted in scenario.retained:
        name = f"retained {wanted.topic}"
        payload = came.retained.get(wanted.topic)
        if not isinstance(payload, Mapping):
            yield Check(name, False, f"nothing stands there; there is {_names(came.retained)}")
            continue
        wrong = {
            key: payload.get(key)
            for key, value in wanted.fields.items()
            if not is_value(payload.get(key), value)
        }
        told = f"instead of {dict(wanted.fields)} it says {wrong}" if wrong else "as it must be"
        yield Check(name, not wrong, told)


def _names(table: Mapping[str, Any]) -> str:
    return ", ".join(sorted(table)) or "none"


def _delivery(scenario: Scenario, came: Came) -> Iterator[Check]:
    delivery = scenario.delivery
    log = came.log if came.log is not None else Log(intact=False, problems=("there is no log",))
    if delivery.arrives:
        yield from _arrival(came, log)
    if delivery.log == "intact":
        told = "; ".join(log.problems) if log.problems else "nothing is wrong with it"
        yield Check("log intact", log.intact, f"journal verify: {told}")
    elif delivery.log == "damaged":
        told = "; ".join(log.problems) if log.problems else "nothing was found wrong"
        yield Check("damage found", not log.intact, f"journal verify: {told}")


def _arrival(came: Came, log: Log) -> Iterator[Check]:
    keys = came.keys
    due = log.held if log.due is None else log.due
    missing = sorted(due - set(keys))
    yield Check(
        "all arrived",
        not missing and bool(due),
        f"{len(due)} records were to come, {len(missing)} never came{_first_of(missing)}",
    )
    invented = sorted(set(keys) - log.held - log.lost)
    yield Check(
        "none invented",
        not invented,
        f"{len(invented)} records came that the log does not hold{_first_of(invented)}",
    )
    twice = sorted(key for key, times in keys.items() if times > 1)
    yield Check(
        "each once", not twice, f"{len(twice)} records came more than once{_first_of(twice)}"
    )
    epochs: dict[tuple[str, int, str], set[int]] = {}
    for node, epoch, lane, seq in sorted(log.lost | set(keys)):
        epochs.setdefault((node, epoch, lane), set()).add(seq)
    holes = [
        f"{lane} {seq}"
        for (_, _, lane), seqs in epochs.items()
        for seq in range(1, max(seqs))
        if seq not in seqs
    ]
    told = f", first {holes[0]}" if holes else ""
    yield Check("no gap", not holes, f"{len(holes)} seqs neither came nor were declared lost{told}")


def _first_of(keys: Sequence[Key]) -> str:
    return f", first lane {keys[0][2]} seq {keys[0][3]}" if keys else ""
