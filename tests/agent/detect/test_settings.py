from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.detect import settings
from agent.detect.settings import CURVES, KEYS, RESETS, RULES
from agent.errors import AgentError, SiteError
from tests.agent.detect.feeder import BAY, RATING


def parsed(**table: object) -> settings.Settings:
    return settings.parse({"feeder": table}, (BAY,), "here")["feeder"]


def test_defaults_follow_from_the_rating() -> None:
    made = settings.defaults(BAY)
    assert made.phase_pickup_amps == pytest.approx(2.2 * RATING)
    assert made.residual_pickup_amps == pytest.approx(0.3 * RATING)
    assert made.phase_inverse_pickup_amps == pytest.approx(1.2 * RATING)


@pytest.mark.parametrize("rating", [0.1, 1.0, 37.123456, 400.0, 10_000.0])
def test_the_defaults_of_every_rating_keep_their_own_ranges_and_rules(rating: float) -> None:
    bay = replace(BAY, rating_amps=rating)
    made = {BAY.name: settings.defaults(bay)}
    assert settings.parse(settings.as_tables(made), (bay,), "here") == made


@pytest.mark.parametrize("name", KEYS)
def test_every_key_says_what_it_means_and_why_it_is_so(name: str) -> None:
    key = KEYS[name]
    assert "" not in (key.meaning, key.reason, key.element, key.expected)
    assert key.formula.startswith(f"{key.default:g}" if key.unit else str(key.default)[:1])
    suffix = {"A": "_amps", "ms": "_ms"}.get(key.unit)
    assert suffix is None or name.endswith(suffix)


def test_what_is_exported_is_imported_again_and_nothing_else_moves() -> None:
    chosen = parsed(
        phase_pickup_amps=900, phase_inverse_curve="E", residual_inverse_reset="definite"
    )
    tables = settings.as_tables({"feeder": chosen})
    assert list(tables["feeder"]) == list(KEYS)
    assert settings.parse(tables, (BAY,), "here") == {"feeder": chosen}
    moved = {
        name for name in KEYS if getattr(chosen, name) != getattr(settings.defaults(BAY), name)
    }
    assert moved == {"phase_pickup_amps", "phase_inverse_curve", "residual_inverse_reset"}


def test_a_file_moves_what_it_states_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("\ufeff[feeder]\nphase_pickup_amps = 900\n")
    made = settings.load(path, (BAY,))["feeder"]
    assert made == replace(settings.defaults(BAY), phase_pickup_amps=900.0)


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("[other]\nphase_pickup_amps = 1", r"\[other\]: no such bay; expected one of feeder"),
        ("[feedr]\n", r"\[feedr\]: no such bay, did you mean feeder\?"),
        ("[feeder]\ncolour = 1", r"\[feeder\] colour = 1: unknown key; expected one of phase_"),
        ("[feeder]\nphase_pickup = 1", r"unknown key, did you mean phase_pickup_amps\?"),
        ("[feeder]\nphase_pickup_amps = -1", "-1: out of range; expected a number from 0.001 to"),
        ("[feeder]\nphase_pickup_amps = nan", "nan: out of range"),
        ("[feeder]\nphase_pickup_amps = true", "true: not a number"),
        ("[feeder]\nphase_inverse_curve = 'G'", "'G': unknown; expected one of A, B, C, D, E, F"),
        ("[feeder]\nphase_inverse_curve = 3", "3: unknown"),
        ("[feeder]\nphase_inverse_reset = 'definit'", "did you mean definite"),
        ("feeder = 3", r"feeder = 3: not a table; expected \[feeder\]"),
        ("[feeder", "is not TOML"),
        ("x = " + "[" * 5000, "is not TOML"),
        ("#" * 300_000, "too long; expected at most 262144 bytes"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, finding: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    with pytest.raises(SiteError, match=finding):
        settings.load(path, (BAY,))


def test_a_file_that_is_not_there_or_no_text_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match="cannot be read"):
        settings.load(tmp_path / "none.toml", (BAY,))
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SiteError, match="is not TOML"):
        settings.load(tmp_path / "bytes.toml", (BAY,))


@pytest.mark.parametrize(
    ("table", "finding"),
    [
        (
            {"phase_pickup_amps": 480},
            "phase_inverse_pickup_amps = 480.0: 51 is the sensitive, slow stage;"
            " expected less than phase_pickup_amps, which is 480",
        ),
        ({"residual_inverse_pickup_amps": 500}, "less than residual_pickup_amps, which is 120"),
        (
            {"phase_inverse_curve": "definite", "phase_inverse_delay_ms": 300},
            "phase_delay_ms = 300.0: 50 is the fast stage",
        ),
        (
            {"residual_inverse_curve": "definite", "residual_delay_ms": 2000},
            "less than residual_inverse_delay_ms, which is 1000",
        ),
        ({"change_floor_amps": 900}, "less than phase_pickup_amps"),
    ],
)
def test_keys_that_contradict_each_other_are_findings(table: dict[str, Any], finding: str) -> None:
    with pytest.raises(SiteError) as caught:
        parsed(**table)
    assert [finding in line for line in caught.value.findings] == [True]


@pytest.mark.parametrize(
    "table",
    [
        {"phase_pickup_amps": 480, "phase_inverse_curve": "off"},
        {"phase_pickup_amps": 480, "phase_inverse_pickup_amps": 479},
        {"phase_delay_ms": 2000},  # the definite delay of 51P is not in use
    ],
)
def test_what_is_not_in_use_contradicts_nothing(table: dict[str, Any]) -> None:
    assert parsed(**table) == replace(settings.defaults(BAY), **table)


def test_the_voltages_have_ranges_that_keep_them_apart() -> None:
    under, over = KEYS["undervoltage_share"].kind, KEYS["overvoltage_share"].kind
    assert under.high < 1 < over.low  # type: ignore[union-attr]  # both are numbers


def test_a_value_that_was_refused_is_told_once() -> None:
    with pytest.raises(SiteError) as caught:
        parsed(phase_pickup_amps=-1, phase_inverse_pickup_amps=1e5)
    assert len(caught.value.findings) == 1


def test_all_findings_come_at_once(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("[feeder]\na = 1\nphase_pickup_amps = 0\n[x]\n")
    with pytest.raises(SiteError) as caught:
        settings.load(path, (BAY,))
    assert len(caught.value.findings) == 3
    assert all(line.startswith(f"{path}: ") for line in caught.value.findings)


def test_every_rule_speaks_of_keys_that_exist() -> None:
    for rule in RULES:
        assert {rule.lower, rule.upper, rule.curve or rule.lower} <= KEYS.keys()
        assert set(rule.among) <= set(CURVES)


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(CURVES + RESETS),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*KEYS, "else"]), ANYTHING, max_size=6))
def test_any_table_gives_settings_that_can_be_stored_or_one_clear_error(table: Any) -> None:
    try:
        made = settings.parse({"feeder": table}, (BAY,), "here")
    except AgentError as error:
        assert all(line.startswith("here: ") for line in str(error).splitlines())
    else:
        assert settings.parse(settings.as_tables(made), (BAY,), "here") == made
