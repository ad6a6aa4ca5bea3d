"""The whole house on real input: real processes, a real broker, a real Modbus server, and trouble.

Guard, link, supervisor and consumer are killed, the broker is away while faults happen; in the
end every record of the log is at the consumer exactly once.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.store.journal import verify
from tests.campaign import campaign
from tests.house import (
    DEAD,
    HEALTHY,
    House,
    assert_each_once,
    faults_in,
    standing,
    stored_keys,
    until,
)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with standing(tmp_path) as everything:
        yield everything


@pytest.mark.timeout(180)
def test_every_record_arrives_once_through_kills_and_a_broker_that_is_away(
    house: House,
) -> None:
    agent, consumer, broker, meter = house
    until(lambda: consumer.events("fault", "head"), "the first fault at the consumer")

    agent.kill("guard")
    until(lambda: consumer.events("blind"), "the blind time of the guard that was killed")
    meter.set(DEAD)
    until(lambda: consumer.events("voltage_loss", "tail"), "the loss that the meter shows")
    agent.kill("link")
    meter.set(HEALTHY)
    until(lambda: consumer.events("voltage_restored", "tail"), "the return that the meter shows")

    links = agent.starts("link")
    broker.kill()
    before = faults_in(agent)
    until(lambda: faults_in(agent) >= before + 3, "three faults while the broker is away")
    assert agent.starts("link") == links  # a broker that is away restarts nothing
    agent.kill("guard")
    agent.kill("link")
    broker.start()
    until(lambda: len(consumer.events("fault")) >= before + 3, "what happened meanwhile", 60.0)

    consumer.kill()
    until(lambda: faults_in(agent) >= before + 5, "faults that nobody hears")
    consumer.start()
    agent.kill_all()
    agent.start()
    known = len(consumer.events("fault"))
    until(lambda: len(consumer.events("fault")) > known, "a fault after the restart of all", 60.0)

    until(lambda: set(stored_keys(agent)) <= set(consumer.keys()), "all that the log holds", 60.0)
    assert agent.end() == 0
    consumer.end()

    assert_each_once(agent, consumer)
    assert verify(agent.log).ok
    assert "Traceback" not in agent.said()
    for blind in consumer.events("blind"):
        if blind.get("since_before_us") is not None:
            assert blind["since_before_us"] < 2_000_000


def test_a_second_agent_on_the_same_log_gives_up_and_says_why(
    house: House,
) -> None:
    agent, consumer, _, _ = house
    until(lambda: consumer.events("started", "head"), "the first agent's first word")
    command = [sys.executable, "-m", "agent", "run", "--site", str(agent.site)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode == 2
    assert "lane a" in second.stderr
    assert "guard cannot start here" in second.stderr
    assert "Traceback" not in second.stderr
    assert agent.end() == 0


def test_a_running_agent_says_goodbye_and_leaves_an_intact_log(
    house: House,
) -> None:
    agent, consumer, _, _ = house
    until(lambda: consumer.events("fault", "head"), "a fault at the consumer")
    assert agent.end() == 0
    assert verify(agent.log).ok
    consumer.end()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", [1])
def test_kills_at_random_moments_lose_nothing_and_every_blind_time_is_told(
    tmp_path: Path, seed: int
) -> None:
    told = campaign(tmp_path, seed=seed, kills=6)
    assert told.kills == 6
    assert told.records > 6
    assert (told.missing, told.invented, told.repeated) == ([], [], [])
    assert told.untold == []
    assert told.problems == []
