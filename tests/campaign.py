"""Kills at moments drawn by a seed, and what became of every record: the long form of the
end-to-end test, which the bench runs in full.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from agent import kernel_time
from agent.store.device_key import PUBLIC_FILE, read_public
from agent.store.journal import verify
from agent.store.proof import prove
from tests.house import (
    Agent,
    Consumer,
    Key,
    declared_lost,
    faults_in,
    standing,
    stored_keys,
    until,
)

VICTIMS = ("guard", "link", "broker")
# From at once, while the last victim is only just starting, to long after all are up again.
BETWEEN_S = (0.02, 2.5)
BROKER_AWAY_S = (0.0, 1.5)
# A broker that is killed again and again makes the node and the consumer back off, to 300 s at most
# (contract.md, promise 6); then everything has to come.
ARRIVAL_S = 400.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """missing: in the log but not at the consumer; invented: the other way round, and not declared
    lost; repeated: printed by a consumer that was never killed more than once. untold: kills of
    guard [us, monotonic] that lie in no blind time. problems: lines that should not be there.
    """

    kills: int
    victims: Counter[str]
    records: int
    missing: list[Key]
    invented: list[Key]
    repeated: list[Key]
    untold: list[int]
    longest_blind_us: int
    problems: list[str]


def campaign(folder: Path, *, seed: int, kills: int) -> Outcome:
    """`kills` SIGKILLs of guard, link or broker, then quiet until everything has arrived."""
    chance = random.Random(seed)
    victims: Counter[str] = Counter()
    blinded: list[int] = []
    with standing(folder) as (agent, consumer, broker, _):
        until(lambda: consumer.events("fault"), "the first fault at the consumer")
        while victims.total() < kills:
            pause(chance.uniform(*BETWEEN_S))
            victim = chance.choice(VICTIMS)
            if victim == "broker":
                broker.kill()
                pause(chance.uniform(*BROKER_AWAY_S))
                broker.start()
            elif not agent.strike(victim):
                continue  # it is dead already
            elif victim == "guard":
                blinded.append(kernel_time.now_us())
            victims[victim] += 1
        before = faults_in(agent)
        until(lambda: faults_in(agent) > before, "a guard that works again")
        # The feeder goes on: what is recorded from here on is under way when we look.
        owed = set(stored_keys(agent))
        until(lambda: owed <= set(consumer.keys()), "all of the log", ARRIVAL_S)
        missing = sorted(owed - set(consumer.keys()))
        ended = agent.end()
        consumer.end()
        problems = list(told_wrong(agent, ended))
        seen = consumer.keys()
        blind = blind_times(consumer)
        return Outcome(
            kills=victims.total(),
            victims=victims,
            records=len(seen),
            missing=missing,
            invented=sorted(set(seen) - set(stored_keys(agent)) - set(declared_lost(agent))),
            repeated=sorted(key for key, count in seen.items() if count > 1),
            untold=[t for t in blinded if not any(a <= t <= b for a, b in blind)],
            longest_blind_us=max((b - a for a, b in blind if a > 0), default=0),
            problems=problems,
        )


def pause(seconds: float) -> None:
    """The moment of the next kill is what the seed has drawn; there is nothing to wait for."""
    time.sleep(seconds)


def blind_times(consumer: Consumer) -> list[tuple[int, int]]:
    """(since, until) of each blind time that was told [us, monotonic]; one that is told without a
    beginning begins with the boot.
    """
    told = consumer.events("blind")
    ends = [(each["clock"]["mono_us"], each.get("since_before_us")) for each in told]
    return [(0 if before is None else end - before, end) for end, before in ends]


def told_wrong(agent: Agent, ended: int) -> list[str]:
    """What must not be there after any kill."""
    report = verify(agent.log)
    wrong = [*report.problems, *(line for lane in report.lanes for line in lane.problems)]
    key = read_public(agent.log.parent / PUBLIC_FILE)
    wrong += [finding.line() for finding in prove(agent.log, key).findings]
    wrong += [line for line in agent.said().splitlines() if "Traceback" in line]
    return wrong if ended == 0 else [*wrong, f"the agent ended with status {ended}"]
