"""The table of metrics and its forms; the Prometheus file as the official parser reads it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from agent import metrics
from agent.clock import Stamp
from agent.durations import Durations
from agent.errors import StoreError
from agent.metrics import COUNTER, METRICS, Values
from agent.store import cbor, entries, entry

EVERYTHING: Values = {
    (name, lane): number
    for number, (name, (_, of_lanes, _)) in enumerate(METRICS.items())
    for lane in ("ashwx" if of_lanes else ("",))
}


def test_the_official_parser_reads_every_value_with_its_type_and_help() -> None:
    text = metrics.exposition({"guard": EVERYTHING, "link": EVERYTHING})

    families = {family.name: family for family in text_string_to_metric_families(text)}

    assert len(families) == len(METRICS)
    read = {}
    for name, (kind, _, meaning) in METRICS.items():
        # A counter's family is called without the suffix that its samples have.
        family = families["ftu_" + (name.removesuffix("_total") if kind == COUNTER else name)]
        assert family.type == kind
        assert family.documentation == f"{meaning} [{metrics.unit(name)}]"
        for sample in family.samples:
            assert sample.name == f"ftu_{name}"
            read[name, sample.labels["process"], sample.labels.get("lane", "")] = sample.value
    assert read == {
        (name, process, lane): value
        for (name, lane), value in EVERYTHING.items()
        for process in ("guard", "link")
    }


def test_what_was_not_measured_is_not_there() -> None:
    text = metrics.exposition({"link": {("online", ""): 1}, "guard": {}})

    assert text == (
        "# HELP ftu_online 1 while the link to the broker stands [1]\n"
        "# TYPE ftu_online gauge\n"
        'ftu_online{process="link"} 1\n'
    )


def test_names_are_few_short_and_end_with_their_unit() -> None:
    assert len(METRICS) <= 32
    for name, (kind, _, meaning) in METRICS.items():
        assert re.fullmatch(r"[a-z][a-z0-9_]{1,31}", name)
        assert name.endswith("_total") == (kind == COUNTER)
        assert "\n" not in meaning
        assert "\\" not in meaning


def test_a_record_holds_all_of_them_and_gives_them_back() -> None:
    told = metrics.flat(EVERYTHING)
    logged = entries.metrics_entry(Stamp(1, 5, 5, 2, 900), "link", told)

    back = entry.as_dict(cbor.loads(cbor.dumps(logged)))

    assert back["of"] == "link"
    assert metrics.opened(back["values"]) == EVERYTHING


@pytest.mark.parametrize(
    "told",
    [
        pytest.param([], id="nothing"),
        pytest.param(["online"], id="a-name-alone"),
        pytest.param(["online", "yes", "online/a", 1, "depth_records", 3], id="not-so-shaped"),
        pytest.param([5, 5, None, 1, "who/a", 1, "depth_records/aa", 1], id="no-names-of-ours"),
    ],
)
def test_what_is_no_metric_of_ours_is_passed_over(told: list[object]) -> None:
    assert metrics.opened(told) == {}


def test_durations_are_told_in_their_unit() -> None:
    durations = Durations()
    for _ in range(99):
        durations.add(4000)
    durations.add(90_000_000)
    values: Values = {}

    metrics.spread(values, "ack_lag_%_ms", 1000, durations, "a")

    assert values == {
        ("ack_lag_p50_ms", "a"): 4,
        ("ack_lag_p99_ms", "a"): 4,
        ("ack_lag_max_ms", "a"): 90_000,
    }


def test_the_file_is_replaced_as_a_whole_or_told(tmp_path: Path) -> None:
    file = tmp_path / "ftu.prom"
    metrics.write_file(file, "old\n")
    metrics.write_file(file, "new\n")

    assert [each.name for each in tmp_path.iterdir()] == ["ftu.prom"]
    assert file.read_text() == "new\n"
    with pytest.raises(StoreError, match=r"expected a folder"):
        metrics.write_file(tmp_path / "nowhere" / "ftu.prom", "new\n")


def test_the_page_of_the_docs_is_what_the_table_says() -> None:
    page = Path(__file__).parents[2] / "docs/metrics.md"
    assert page.read_text() == metrics.reference(), "make docs"
