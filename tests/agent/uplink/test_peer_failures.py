"""Failure modes of ThingsBoard's gateway and of Telegraf, each with what shows that ours lacks it.

The complaints are public; their numbers are those of their own projects' lists. Where a test of
ours shows it already, it is named here and looked for; where none did, it stands below.

ThingsBoard gateway
  #2098  every reading arrives twice after hours of running
         here::test_over_two_days_of_a_bad_link_no_record_is_delivered_twice_and_none_is_missed
         tests/agent/uplink/test_consumer.py::test_in_any_order_each_key_comes_once_and_the_mark_never_lies
  #2124  a configuration that is pushed makes the store anew, and what waits in it is lost
         here::test_another_configuration_touches_no_byte_of_the_log_and_what_waits_arrives
         tests/test_settings_in_force.py::test_a_commit_reaches_a_running_agent_between_two_faults_and_holds_after_a_restart
  #2094  45 GB on disk after four days without a link
         here::test_days_without_a_link_cost_no_more_disk_than_the_quotas_and_each_loss_is_declared
         tests/agent/store/test_retention.py::test_a_lane_keeps_its_quota_and_says_what_it_gave_up
         tests/agent/store/test_retention.py::test_below_the_floor_waveforms_go_first_and_alarms_last
         tests/agent/store/test_retention.py::test_on_a_real_full_disk_alarms_go_on_and_nothing_is_half_written
  #1331, #2139  a change of the configuration cuts the device off, or dies silently
         tests/agent/test_in_force.py::test_a_version_that_does_not_fit_the_site_never_comes_into_force
         tests/agent/test_setting_book.py::test_check_tells_before_a_restart_that_the_settings_will_not_fit
         tests/agent/test_setting_book.py::test_a_rollback_is_a_new_version_and_history_stays
  #1684, #2155  all of a processor for one meter, or for none
         tests/agent/store/test_journal.py::test_an_idle_follower_asks_twice_and_reads_nothing
         tests/agent/sensors/test_modbus_serial.py::test_many_dead_units_together_take_a_fifth_of_the_line
  its stores  what was accepted is lost by a kill or a power cut, and by reading with several files
         tests/agent/store/test_journal.py::test_a_killed_writer_loses_nothing_that_append_returned_for
         tests/agent/store/test_journal.py::test_after_power_cuts_no_seq_that_was_seen_comes_again_with_other_content
         tests/agent/store/test_journal.py::test_a_reader_gives_no_more_than_asked_for_and_misses_nothing
  its delivery  what the broker refuses counts as delivered (paho #474), and the client's queue is
         in memory only and floods at a reconnect (paho #223, #492)
         here::test_what_the_broker_refuses_is_not_delivered_and_leaves_when_it_is_allowed
         here::test_with_a_broker_that_cannot_refuse_the_consumers_word_is_what_counts
         tests/agent/uplink/test_mqtt.py::test_a_refused_publish_does_not_look_delivered
         tests/agent/uplink/test_mqtt.py::test_a_new_connection_knows_nothing_of_the_old_one
         tests/agent/uplink/test_mqtt.py::test_the_brokers_receive_maximum_is_obeyed
         tests/test_end_to_end.py::test_every_record_arrives_once_through_kills_and_a_broker_that_is_away

Telegraf
  #18528  a damaged log keeps it from starting
         here::test_whatever_file_is_damaged_the_node_starts_and_the_consumer_can_account_for_all
         tests/agent/store/test_journal.py::test_no_damage_whatever_yields_a_wrong_record_or_stops_an_opening
         tests/agent/store/test_journal.py::test_a_segment_that_is_a_directory_is_set_aside
  #16500  the whole log is sent again at a start
         tests/agent/uplink/test_publisher.py::test_a_restart_goes_on_from_the_acknowledged_mark
         tests/agent/store/test_cursors.py::test_a_cut_at_any_byte_of_a_save_leaves_the_state_before_or_the_new_one
  #14750  what was sent to a broker that is off counts as written
         tests/agent/uplink/test_publisher.py::test_a_record_that_nobody_acknowledged_is_sent_again
         tests/agent/uplink/test_publisher.py::test_what_is_logged_while_the_broker_is_away_arrives_when_it_is_back
         tests/agent/uplink/test_mqtt.py::test_a_link_that_goes_silent_is_noticed
  its WAL  no limit of its size: as #2094 above

Both
  storms of reconnections, the back-off skipped when the broker throws out after it let in
         tests/agent/uplink/test_backoff.py::test_a_link_that_breaks_within_the_minute_does_not_start_anew
         tests/agent/uplink/test_backoff.py::test_every_delay_lies_between_nothing_and_the_ceiling
         tests/agent/uplink/test_publisher.py::test_two_terminals_under_one_identity_say_so_and_do_not_storm
         tests/agent/uplink/test_publisher.py::test_a_node_that_the_broker_does_not_know_says_so_once_and_waits
  wrong stamps, or those of 1970, after a start without a network; order by stamps breaks
         tests/agent/test_clock.py::test_a_clock_that_was_never_set_is_unknown_until_somebody_sets_it
         tests/agent/store/test_timemap.py::test_events_from_before_the_clock_was_set_get_their_true_utc
         tests/agent/test_clock.py::test_the_truth_lies_within_the_error_and_stamps_keep_their_order
  a late answer on a serial line is taken for the next register
         tests/agent/sensors/test_modbus_serial.py::test_a_late_reply_is_never_the_next_answer
         tests/agent/sensors/test_modbus.py::test_a_late_reply_is_never_the_next_answer
"""

from __future__ import annotations

import ast
import random
import re
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from agent.clock import Stamp
from agent.site import Uplink
from agent.store import cbor, entries
from agent.store.journal import Journal, Limits, declared_losses
from agent.uplink import topics, wire
from agent.uplink.consumer import Consumer, DeclaredLost, Delivered, Received
from agent.uplink.session import HEAD, Session
from hil.faults import corruption
from hil.faults.broker import Mosquitto
from tests.agent.uplink.broker import eventually, mosquitto, run
from tests.agent.uplink.node import Node, consuming

ROOT = Path(__file__).parents[3]
NAMED = re.findall(r"^ +(here|tests/\S+\.py)::(test_\w+)$", __doc__ or "", re.MULTILINE)
S = 1_000_000


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_each_test_that_is_named_above_is_there(file: str, name: str) -> None:
    path = Path(__file__) if file == "here" else ROOT / file
    functions = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.FunctionDef)]

    assert name in [function.name for function in functions]


def test_the_table_above_is_read() -> None:
    assert len(NAMED) > 30
    assert sum(file == "here" for file, _ in NAMED) == 6


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path) as running:
        yield running


def lane(name: str, number: int) -> list[tuple[str, int]]:
    return [(name, seq) for seq in range(1, number + 1)]


def audit(seq: int) -> bytes:
    stamp = Stamp(1, seq, 1_000_000 + seq, 2, 900)
    return cbor.dumps(entries.audit_entry(stamp, f"a{seq}"))


# Twice after hours.


class TwoDays:
    """A node's session and a consumer over a link that a seed breaks, on a clock that jumps."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.session = Session(7, ["scada"])
        self.log: list[list[object]] = []
        self.delivered: Counter[int] = Counter()
        self.consumer = Consumer("scada", ack=True, tell=lambda _: None)

    def run(self) -> None:
        self.session.connected(0)
        for second in range(0, 48 * 3600, 10):
            now_us = second * S
            if second % 30 == 0:
                self.log.append(cbor.loads(audit(len(self.log) + 1)))
                self.session.available("a", len(self.log) + 1)
            if self.chance.random() < 0.002:
                self.session.disconnected(now_us)
                self.session.connected(now_us)
            self._send(now_us, good=self.chance.random() < 0.9)
        self._send(48 * 3600 * S + 600 * S, good=True)
        self._send(48 * 3600 * S + 1200 * S, good=True)

    def _send(self, now_us: int, *, good: bool) -> None:
        while due := self.session.next_send(now_us):
            _, first, last, why = due
            items = [("record", seq, self.log[seq - 1]) for seq in range(first, last + 1)]
            flags = wire.REPLAY if why != HEAD else 0
            envelope, taken = wire.envelope(7, "a", items, 1000, flags)
            token = self.session.sending("a", first, first + taken - 1, now_us=now_us)
            arrives = good or self.chance.random() < 0.5
            if arrives:
                for _ in range(1 + (self.chance.random() < 0.05)):  # QoS 1: at least once
                    self._take(cbor.dumps(envelope))
            if arrives and (good or self.chance.random() < 0.5):
                self.session.published(token, True, now_us)
            elif not good:
                self.session.disconnected(now_us)
                self.session.connected(now_us)
                return
        self._acknowledge(now_us, good=good)

    def _take(self, payload: bytes) -> None:
        for each in self.consumer.take(topics.topic("e/a", "site", "node"), payload):
            assert isinstance(each, Received)
            self.delivered[each.key.seq] += 1
        self.consumer.commit()

    def _acknowledge(self, now_us: int, *, good: bool) -> None:
        for topic, payload in self.consumer.acks():
            self.consumer.acked(topic, payload)
            if good or self.chance.random() < 0.5:
                epoch, marks = cbor.parsed(payload, wire.open_ack)
                for name, mark in marks.items():
                    self.session.acknowledged("scada", epoch, name, mark, now_us)


@pytest.mark.parametrize("seed", range(2))
def test_over_two_days_of_a_bad_link_no_record_is_delivered_twice_and_none_is_missed(
    seed: int,
) -> None:
    days = TwoDays(seed)

    days.run()

    assert days.session.resends > 0  # there was something to be told apart
    assert days.delivered == Counter(range(1, len(days.log) + 1))
    assert days.session.acked("a") == len(days.log)


# A configuration that is pushed.


def digests(log: Path) -> dict[str, str]:
    return {
        path.name: sha256(path.read_bytes()).hexdigest()
        for path in sorted(log.iterdir())
        if path.suffix != ".lock"
    }


def test_another_configuration_touches_no_byte_of_the_log_and_what_waits_arrives(
    tmp_path: Path, broker: Mosquitto
) -> None:
    node = Node(tmp_path, broker.url, consumers=("scada",))
    node.log(50)
    before = digests(tmp_path / "log")

    async def scenario() -> None:
        async with node.running() as publisher:
            await eventually(lambda: publisher.status.online)
            publisher.settings_in_force("version 2 hash 5f3a")
        node.uplink = Uplink(broker=broker.url, consumers=("archive", "scada"))
        async with node.running() as publisher:
            await eventually(lambda: publisher.status.online)
            assert digests(tmp_path / "log") == before
            async with consuming(broker.url, "archive") as keys, consuming(broker.url, "scada"):
                await eventually(lambda: node.acked() == 50)
                assert sorted(set(keys)) == lane("a", 50)

    run(scenario())


# Days without a link.


def test_days_without_a_link_cost_no_more_disk_than_the_quotas_and_each_loss_is_declared(
    tmp_path: Path,
) -> None:
    quota = 2_000_000
    limits = Limits(quota_bytes={"a": quota, "h": quota})
    per_lane = 40_000  # four days at one each nine seconds
    payloads = [cbor.dumps([2, n, "x" * 100]) for n in range(500)]
    with Journal.open(tmp_path / "log", "ah", limits=limits) as journal:
        for _ in range(per_lane // len(payloads)):
            for name in "ah":
                journal.append_group(name, payloads)
        used = sum(path.stat().st_blocks * 512 for path in (tmp_path / "log").iterdir())
        # And one segment each that is being made ready.
        assert used <= 2 * (quota + 2 * 262_144)
        for name in "ah":
            lost = sum(
                loss.last - loss.first + 1 for loss in declared_losses(tmp_path / "log", name)
            )
            assert 0 < lost < per_lane


# What the broker refuses.


def test_what_the_broker_refuses_is_not_delivered_and_leaves_when_it_is_allowed(
    tmp_path: Path,
) -> None:
    async def scenario(broker: Mosquitto) -> None:
        node = Node(tmp_path, broker.url)
        node.log(3)
        async with node.running() as publisher, consuming(broker.url):
            await eventually(lambda: publisher.status.sends_refused > 0)
            assert publisher.status.lanes["a"].sent == 0
            assert node.acked() == 0
        node.journal.close()

    deny = "topic readwrite ftu/1/site/node/birth\ntopic readwrite ftu/1/site/node/state\n"
    acknowledgements = "topic readwrite ftu/1/site/node/ack/+\ntopic readwrite ftu/1/site/_host/+\n"
    with mosquitto(tmp_path / "broker", acl=deny + acknowledgements) as broker:
        run(scenario(broker))

    async def allowed(broker: Mosquitto) -> None:
        node = Node(tmp_path, broker.url)
        async with node.running(), consuming(broker.url) as keys:
            await eventually(lambda: node.acked() == 3)
            assert keys == lane("a", 3)

    with mosquitto(tmp_path / "other") as broker:
        run(allowed(broker))


def test_with_a_broker_that_cannot_refuse_the_consumers_word_is_what_counts(
    tmp_path: Path,
) -> None:
    """MQTT 3.1.1 confirms what it then throws away."""

    async def scenario(broker: Mosquitto) -> None:
        node = Node(tmp_path, broker.url, protocol="311")
        node.log(3)
        async with node.running() as publisher, consuming(broker.url):
            await eventually(lambda: publisher.status.lanes["a"].sent == 3)
            await eventually(lambda: publisher.status.resends > 0)
            assert node.acked() == 0

    nothing_of_a = "topic readwrite ftu/1/site/node/ack/+\ntopic readwrite ftu/1/site/node/state\n"
    with mosquitto(tmp_path / "broker", acl=nothing_of_a) as broker:
        run(scenario(broker))


# A damaged log.


@pytest.mark.parametrize("seed", range(4))
def test_whatever_file_is_damaged_the_node_starts_and_the_consumer_can_account_for_all(
    tmp_path: Path, broker: Mosquitto, seed: int
) -> None:
    node = Node(tmp_path, broker.url)
    node.log(200)
    node.journal.close()
    done = [corruption.damage(tmp_path / "log", seed=seed, files="*")]
    again = Node(tmp_path, broker.url)
    again.log(5)
    accounted: set[int] = set()

    def told(each: Delivered) -> None:
        assert isinstance(each, Received | DeclaredLost)
        first, last = (
            (each.first, each.last)
            if isinstance(each, DeclaredLost)
            else (each.key.seq, each.key.seq)
        )
        accounted.update(range(first, last + 1))

    async def scenario() -> None:
        async with again.running(), consuming(broker.url, each=told):
            reached = again.journal.next_seq("a") - 1
            await eventually(lambda: again.acked() == reached)
            assert accounted == set(range(1, reached + 1)), done

    run(scenario())
