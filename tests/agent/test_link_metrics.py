"""Link with a log, without a broker: its metrics in lane s and in Prometheus' file, its answers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from agent import link_metrics
from agent.clock import Clock
from agent.link import Link
from agent.live import LiveSender
from agent.outage.projection import Projection
from agent.store import cbor, entry
from agent.store.journal import Journal, Stored, export
from agent.uplink.status import LaneStatus, Status
from tests.agent.uplink.broker import eventually, run


def link(folder: Path, journal: Journal, **options: Any) -> Link:
    clock = Clock(1)
    return Link(
        log=folder / "log",
        journal=journal,
        projection=Projection(()),
        publisher=None,
        section_of=lambda _: None,
        stamp=lambda: clock.stamp(clock.now_us()),
        data_dir=folder,
        **options,
    )


def told(folder: Path, kind: int) -> list[dict[str, Any]]:
    opened = [
        cbor.loads(item.payload)
        for _, item in export(folder / "log", "s")
        if isinstance(item, Stored)
    ]
    return [entry.as_dict(each) for each in opened if each[entry.TYPE] == kind]


def samples(file: Path) -> dict[tuple[str, str, str], float]:
    return {
        (each.name, each.labels["process"], each.labels.get("lane", "")): each.value
        for family in text_string_to_metric_families(file.read_text())
        for each in family.samples
    }


def test_prometheus_file_and_the_record_at_the_end_tell_guard_and_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_metrics, "FILE_PERIOD_S", 0.02)
    file = tmp_path / "ftu.prom"

    async def scenario() -> None:
        with Journal.open(tmp_path / "log", "sx") as journal:
            work = asyncio.create_task(link(tmp_path, journal, metrics_file=file).run())
            await eventually((tmp_path / "live.sock").exists)
            guard = LiveSender(tmp_path)
            guard.send({"metrics": ["flush_max_us", 4711, "nonsense", 1]})
            guard.send({"metrics": "nonsense"})
            await eventually(file.exists)
            await eventually(lambda: ("ftu_flush_max_us", "guard", "") in samples(file))
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            guard.close()

    run(scenario())

    read = samples(file)
    assert read["ftu_flush_max_us", "guard", ""] == 4711
    assert read["ftu_disk_bytes", "link", "s"] == 256 * 1024
    record = told(tmp_path, entry.METRICS)[-1]
    assert record["of"] == "link"
    assert dict(zip(record["values"][::2], record["values"][1::2], strict=True))["disk_bytes/x"] > 0


def test_each_period_has_its_record_and_its_own_flushes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_metrics, "FILE_PERIOD_S", 0.02)
    monkeypatch.setattr(link_metrics, "PERIOD_S", 0.03)

    async def scenario() -> None:
        with Journal.open(tmp_path / "log", "sx") as journal:
            work = asyncio.create_task(link(tmp_path, journal).run())
            await eventually(lambda: journal.next_seq("s") > 3)
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    run(scenario())

    counts = [
        dict(zip(each["values"][::2], each["values"][1::2], strict=True))
        for each in told(tmp_path, entry.METRICS)
    ]
    assert [each["flushes"] for each in counts[:3]] == [0, 1, 1]  # that of the record before


def test_a_file_that_cannot_be_written_is_told_once_and_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Journal.open(tmp_path / "log", "sx") as journal:
        metrics = link(tmp_path, journal, metrics_file=tmp_path / "no" / "x.prom")._metrics
        for _ in range(3):
            metrics._write(tmp_path / "no" / "x.prom")

    assert capsys.readouterr().err.count("metrics cannot be written") == 1


class Uplink:
    """Stands for the publisher, whose own answers test_publisher shows."""

    status = Status(
        online=True,
        protocol="5",
        connections=9,
        trouble="",
        lanes={"a": LaneStatus(4, 3, 2, {}), "w": LaneStatus(1, 0, 0, {})},
        **dict.fromkeys(
            (
                *("resends", "acks_moved", "acks_refused", "sends_refused", "sends_unheard"),
                *("unreadable", "oversize", "refused_messages", "requests_taken"),
                *("requests_refused", "live_sent", "live_dropped"),
            ),
            0,
        ),
        never_heard=(),
    )

    def log_grew(self, lane: str) -> None:
        pass


def test_a_probe_is_answered_with_how_it_stands_and_the_rest_as_unknown(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "log", "sx") as journal:
        asked = link(tmp_path, journal)
        asked._publisher = Uplink()  # type: ignore[assignment]
        asked._asked("q1", "probe", None)
        asked._asked("q2", "weather" * 100, "tomorrow")

    first, second = told(tmp_path, entry.ANSWER)
    assert (first["asked"], first["asked_for"], first["answer"]) == ("q1", "probe", "here")
    assert first["detail"] == "connection 9, MQTT 5; a 2/3"
    assert (second["asked"], second["answer"]) == ("q2", "unknown")
