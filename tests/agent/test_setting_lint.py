"""Each kind of bad setting: an example that is found, and its good neighbour that is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.cli import main
from agent.detect.settings import defaults
from agent.setting_lint import CHECKS, far_earth_amps, far_end_amps, lint, operate_ms
from agent.site import Bay

LINE = {
    "r1_ohms_per_km": 0.3,
    "x1_ohms_per_km": 0.4,
    "r0_ohms_per_km": 0.6,
    "x0_ohms_per_km": 1.2,
    "length_km": 5.0,
}  # 2.5 ohms: 2000 A between two phases at 10 kV
BAY = Bay(
    name="head",
    section="S1",
    nominal_volts=10_000.0,
    frequency_hz=50,
    earthing="resonant",
    rating_amps=400.0,
    ct_ratio=120.0,
    line=LINE,
)
SUMMED = {"channels": {"ia": "w.ia", "ib": "w.ib", "ic": "w.ic"}}
SMALL = replace(BAY, name="tail", rating_amps=200.0)


def found(stated: dict[str, Any], bay: Bay = BAY, behind: dict[str, Any] | None = None) -> set[str]:
    """Names of the findings of this bay, with these keys stated."""
    bays = {bay.name: bay}
    settings = {bay.name: replace(defaults(bay), **stated)}
    keys = {bay.name: frozenset(stated)}
    if behind is not None:
        bays["tail"] = SMALL
        settings["tail"] = replace(defaults(SMALL), **behind)
        keys["tail"] = frozenset(behind)
    return {each.check.name for each in lint(bays, settings, keys) if each.bay == bay.name}


IN_SERIES = {"phase_delay_ms": 200.0, "phase_pickup_amps": 440.0, "phase_inverse_multiplier": 0.1}
CASES: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    # name, bad, good, what both have besides: fields of the bay, or "behind"
    ("pickup below load", {"phase_pickup_amps": 420.0}, {"phase_pickup_amps": 425.0}, {}),
    (
        "pickup below restart",
        {"phase_pickup_amps": 590.0},
        {"phase_pickup_amps": 600.0},
        {},
    ),
    (
        "51P below load",
        {"phase_inverse_pickup_amps": 380.0},
        {"phase_inverse_pickup_amps": 390.0},
        {},
    ),
    ("far end never seen", {"phase_pickup_amps": 2000.0}, {"phase_pickup_amps": 1990.0}, {}),
    ("far end hardly seen", {"phase_pickup_amps": 1400.0}, {"phase_pickup_amps": 1330.0}, {}),
    (
        "51P insensitive",
        {"phase_inverse_pickup_amps": 1250.0, "phase_pickup_amps": 1300.0},
        {"phase_inverse_pickup_amps": 1200.0, "phase_pickup_amps": 1300.0},
        {},
    ),
    (
        "far earth fault never seen",
        {"residual_pickup_amps": 1490.0},
        {"residual_pickup_amps": 1480.0},
        {"earthing": "solid"},
    ),
    ("50N below CT error", {"residual_pickup_amps": 39.0}, {"residual_pickup_amps": 40.0}, SUMMED),
    (
        "51N below CT error",
        {"residual_inverse_pickup_amps": 39.0},
        {"residual_inverse_pickup_amps": 40.0},
        SUMMED,
    ),
    ("50N above 50P", {"residual_pickup_amps": 880.0}, {"residual_pickup_amps": 870.0}, {}),
    (
        "67N above 50N",
        {"earth_start_amps": 30.0, "residual_pickup_amps": 30.0},
        {"earth_start_amps": 29.0, "residual_pickup_amps": 30.0},
        {},
    ),
    ("67N deaf to resistance", {"earth_start_share": 0.15}, {"earth_start_share": 0.1}, {}),
    ("50AF deaf to dry ground", {"arc_start_amps": 3.0}, {"arc_start_amps": 2.0}, {}),
    (
        "change floor above a fault's share",
        {"change_floor_amps": 230.0},
        {"change_floor_amps": 220.0},
        {},
    ),
    ("change floor above 50N", {"change_floor_amps": 130.0}, {"change_floor_amps": 120.0}, {}),
    ("change floor within load", {"change_floor_amps": 7.0}, {"change_floor_amps": 8.0}, {}),
    ("kiloamperes", {"phase_pickup_amps": 0.9}, {"phase_pickup_amps": 900.0}, {}),
    ("secondary amperes", {"phase_pickup_amps": 7.5}, {"phase_pickup_amps": 900.0}, {}),
    (
        "51P delay in seconds",
        {"phase_inverse_curve": "definite", "phase_inverse_delay_ms": 1.5},
        {"phase_inverse_curve": "definite", "phase_inverse_delay_ms": 1500.0},
        {},
    ),
    (
        "51N delay in seconds",
        {"residual_inverse_curve": "definite", "residual_inverse_delay_ms": 1.5},
        {"residual_inverse_curve": "definite", "residual_inverse_delay_ms": 1500.0},
        {},
    ),
    ("hold in seconds", {"dead_hold_ms": 0.06}, {"dead_hold_ms": 60.0}, {}),
    (
        "IEC multiplier too large",
        {"phase_inverse_multiplier": 3.0},
        {"phase_inverse_multiplier": 1.0},
        {},
    ),
    (
        "IEEE dial too small",
        {"phase_inverse_curve": "E", "phase_inverse_multiplier": 0.3},
        {"phase_inverse_curve": "E", "phase_inverse_multiplier": 2.0},
        {},
    ),
    (
        "50P and 51P cross",
        {"phase_inverse_multiplier": 0.015},
        {"phase_inverse_multiplier": 0.02},
        {},
    ),
    (
        "50N and 51N cross",
        {"residual_inverse_multiplier": 0.017},
        {"residual_inverse_multiplier": 0.018},
        {},
    ),
    ("51P flat", {"phase_inverse_minimum_ms": 4100.0}, {"phase_inverse_minimum_ms": 4000.0}, {}),
    (
        "51N flat",
        {"residual_inverse_minimum_ms": 3100.0},
        {"residual_inverse_minimum_ms": 3000.0},
        {},
    ),
    (
        "clears too slowly",
        {"phase_delay_ms": 4000.0, "phase_inverse_curve": "off"},
        {"phase_delay_ms": 3000.0, "phase_inverse_curve": "off"},
        {},
    ),
    (
        "51P under inrush",
        {"phase_inverse_multiplier": 0.04},
        {"phase_inverse_multiplier": 0.05},
        {},
    ),
    ("stage of more than 10 s", {"phase_delay_ms": 30_000.0}, {"phase_delay_ms": 3000.0}, {}),
    (
        "travel kept too long",
        {"phase_inverse_reset": "definite", "phase_inverse_reset_ms": 90_000.0},
        {"phase_inverse_reset": "definite", "phase_inverse_reset_ms": 9000.0},
        {},
    ),
    (
        "set though the curve is off",
        {"residual_inverse_curve": "off", "residual_inverse_multiplier": 0.5},
        {"residual_inverse_curve": "off"},
        {},
    ),
    (
        "delay without definite curve",
        {"phase_inverse_delay_ms": 900.0},
        {"phase_inverse_delay_ms": 900.0, "phase_inverse_curve": "definite"},
        {},
    ),
    (
        "multiplier of a definite curve",
        {"phase_inverse_curve": "definite", "phase_inverse_multiplier": 0.5},
        {"phase_inverse_curve": "definite"},
        {},
    ),
    (
        "reset time without definite reset",
        {"phase_inverse_reset_ms": 700.0},
        {"phase_inverse_reset_ms": 700.0, "phase_inverse_reset": "definite"},
        {},
    ),
    ("undervoltage within supply", {"undervoltage_share": 0.92}, {"undervoltage_share": 0.91}, {}),
    ("undervoltage too deep", {"undervoltage_share": 0.65}, {"undervoltage_share": 0.7}, {}),
    ("swell within supply", {"overvoltage_share": 1.08}, {"overvoltage_share": 1.09}, {}),
    ("swell out of reach", {"overvoltage_share": 1.6}, {"overvoltage_share": 1.5}, {}),
    ("dip told after loss", {"undervoltage_delay_ms": 80.0}, {"undervoltage_delay_ms": 60.0}, {}),
    (
        "swell delay beyond a minute",
        {"overvoltage_delay_ms": 90_000.0},
        {"overvoltage_delay_ms": 60_000.0},
        {},
    ),
    ("loss hidden by reclosing", {"dead_hold_ms": 310.0}, {"dead_hold_ms": 300.0}, {}),
    ("return told too soon", {"live_hold_ms": 30.0}, {"live_hold_ms": 40.0}, {}),
    (
        "50P pickups not graded",
        {"phase_pickup_amps": 640.0},
        {"phase_pickup_amps": 900.0},
        {"behind": {"phase_pickup_amps": 700.0}},
    ),
    (
        "50P delays not graded",
        {"phase_delay_ms": 390.0},
        {"phase_delay_ms": 400.0},
        {"behind": IN_SERIES},
    ),
    (
        "51P curves cross",
        {"phase_inverse_multiplier": 0.15},
        {"phase_inverse_multiplier": 0.3},
        {"behind": IN_SERIES},
    ),
    (
        "51P meets 50P behind",
        {"phase_inverse_curve": "definite", "phase_inverse_delay_ms": 390.0},
        {"phase_inverse_curve": "definite", "phase_inverse_delay_ms": 400.0},
        {"behind": {**IN_SERIES, "phase_pickup_amps": 600.0}},
    ),
    (
        "67Q without voltages",
        {"negative_start_amps": 100.0},
        {},
        {"channels": {"ia": "w.ia", "ib": "w.ib", "ic": "w.ic", "i0": "w.i0"}},
    ),
    ("67Q above 50P", {"negative_start_amps": 509.0}, {"negative_start_amps": 508.0}, {}),
    ("67Q within load", {"negative_start_amps": 59.0}, {"negative_start_amps": 60.0}, {}),
    (
        "67Q below change floor",
        {"negative_start_amps": 23.0},
        {"negative_start_amps": 23.2},
        {},
    ),
    # 2000 A between two phases are 1155 A of negative sequence.
    ("67Q out of reach", {"negative_start_amps": 1156.0}, {"negative_start_amps": 1154.0}, {}),
    (
        "unbalance within VT errors",
        {"unbalance_voltage_share": 0.009},
        {"unbalance_voltage_share": 0.01},
        {},
    ),
    (
        "unbalance beyond motors",
        {"unbalance_voltage_share": 0.06},
        {"unbalance_voltage_share": 0.05},
        {},
    ),
    (
        "current unbalance within load",
        {"unbalance_current_share": 0.07},
        {"unbalance_current_share": 0.08},
        {},
    ),
    (
        "current unbalance above an open phase",
        {"unbalance_current_share": 0.6},
        {"unbalance_current_share": 0.5},
        {},
    ),
    (
        "unbalance told in a start",
        {"unbalance_delay_ms": 900.0},
        {"unbalance_delay_ms": 1000.0},
        {},
    ),
    (
        "frequency limit within control",
        {"frequency_limit_hz": 0.1},
        {"frequency_limit_hz": 0.2},
        {},
    ),
    (
        "frequency limit beyond shedding",
        {"frequency_limit_hz": 1.5},
        {"frequency_limit_hz": 1.0},
        {},
    ),
    (
        "frequency told in a fault",
        {"frequency_delay_ms": 100.0},
        {"frequency_delay_ms": 200.0},
        {},
    ),
]


@pytest.mark.parametrize(
    ("name", "bad", "good", "besides"), [pytest.param(*c, id=c[0]) for c in CASES]
)
def test_a_bad_setting_is_found_and_its_good_neighbour_is_not(
    name: str, bad: dict[str, Any], good: dict[str, Any], besides: dict[str, Any]
) -> None:
    fields = dict(besides)
    behind = fields.pop("behind", None)
    bay = replace(BAY, **fields)
    assert name in found(bad, bay, behind)
    assert name not in found(good, bay, behind)


def test_every_kind_has_its_case() -> None:
    assert {case[0] for case in CASES} == {check.name for check in CHECKS}
    assert len(CHECKS) >= 20


@pytest.mark.parametrize("rating", [0.1, 5.0, 63.0, 400.0, 1250.0, 10_000.0])
@pytest.mark.parametrize("earthing", ["isolated", "resonant", "low_resistance", "solid"])
@pytest.mark.parametrize("besides", [{}, SUMMED], ids=["unsaid", "summed"])
def test_the_defaults_of_any_bay_pass(
    rating: float, earthing: str, besides: dict[str, Any]
) -> None:
    bay = replace(BAY, rating_amps=rating, earthing=earthing, line={}, **besides)
    assert found({}, bay, behind={}) == set()


def test_times_are_those_of_the_standard() -> None:
    # IEC 60255-151, very inverse: 13.5 / (M - 1) x TMS; M = 3.
    settings = replace(defaults(BAY), phase_inverse_multiplier=0.5)
    assert operate_ms(settings, "phase", 3 * 480.0) == pytest.approx(3375.0)
    assert operate_ms(settings, "phase", 1.05 * 480.0) == float("inf")


def test_far_end_currents_are_those_of_the_textbook() -> None:
    assert far_end_amps(BAY) == pytest.approx(2000.0)
    solid = replace(BAY, earthing="solid")
    ohms = 5 * abs(complex(2 * 0.3 + 0.6, 2 * 0.4 + 1.2))
    assert far_earth_amps(solid) == pytest.approx(3 * 10_000 / 3**0.5 / ohms)
    assert far_end_amps(replace(BAY, line={})) == float("inf")


def test_the_far_end_of_a_line_of_sections_is_that_of_its_longest_way() -> None:
    one = {"name": "S1", "length_km": 2.0}
    near = {"name": "S2", "length_km": 1.0, "from": "S1"}
    far = {"name": "S3", "length_km": 3.0, "from": "S1"}
    whole = {key: value for key, value in LINE.items() if key != "length_km"}
    bay = replace(BAY, earthing="solid", line={**whole, "sections": [one, near, far]})
    straight = replace(BAY, earthing="solid")
    assert far_end_amps(bay) == pytest.approx(far_end_amps(straight))
    assert far_earth_amps(bay) == pytest.approx(far_earth_amps(straight))


SITE = """
[site]
name = "hebin"
[device]
id = "ftu-7"
data_dir = "data"
[[sensor]]
name = "wire"
driver = "simulated"
[[bay]]
name = "head"
nominal_volts = 10000
frequency_hz = 50
earthing = "resonant"
rating_amps = 400
"""


def settings(folder: Path, word: str, sheet: str, *words: str) -> int:
    (folder / "site.toml").write_text(SITE)
    (folder / "sheet.toml").write_text(sheet)
    site = ["--site", str(folder / "site.toml")]
    return main(["settings", word, str(folder / "sheet.toml"), *site, *words])


def test_a_finding_names_file_line_bay_key_and_value(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = "# by hand\n[head]\nphase_inverse_curve = 'off'\nphase_pickup_amps = 300\n"
    assert settings(tmp_path, "lint", sheet) == 1
    first, *_ = capsys.readouterr().out.splitlines()
    place = f"{tmp_path / 'sheet.toml'}: line 4: error: [head] phase_pickup_amps = 300"
    assert first.startswith(place)
    assert "returns at 285 A, the rating is 400 A" in first


def test_a_commit_refuses_errors_and_tells_warnings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    by = ("--author", "ops-2", "--reason", "study 14")
    low = "[head]\nphase_pickup_amps = 300\nphase_inverse_curve = 'off'\n"
    assert settings(tmp_path, "commit", low, *by) == 2
    told = capsys.readouterr().err
    assert "sheet.toml: line 2: error: [head] phase_pickup_amps = 300" in told
    assert "pickup below load" in told
    assert "Traceback" not in told
    assert settings(tmp_path, "commit", "[head]\nundervoltage_share = 0.92\n", *by) == 0
    assert "warning: [head] undervoltage_share = 0.92" in capsys.readouterr().err
