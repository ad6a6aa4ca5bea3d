"""A sheet written is read again to the last bit, and any other file is one clear line."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.detect.settings import KEYS, as_tables, defaults, parse
from agent.errors import SiteError
from agent.setting_sheet import MOST_BYTES, read, scalar, write
from agent.site import Bay
from agent.store.documents import Version, digest

HEAD, TAIL = (Bay(name, name, 10_000.0, 50, "resonant", 400.0) for name in ("head", "tail"))


def version(content: dict[str, Any], reason: str = "study 14") -> Version:
    return Version(3, digest(content), "2026-11-25T01:02:03Z", "ops-2", reason, 2, content)


def reread(tmp_path: Path, text: str) -> Any:
    path = tmp_path / "sheet.toml"
    path.write_text(text)
    return read(path)


def test_a_sheet_says_what_it_is_and_reads_back(tmp_path: Path) -> None:
    stated = {"head": {"phase_pickup_amps": 900.1, "phase_inverse_curve": "C"}}
    sheet = reread(tmp_path, write(version(stated, "整定 # 14"), [HEAD, TAIL]))
    assert sheet.tables == {**stated, "tail": {}}
    assert (sheet.number, sheet.digest) == (3, digest(stated))
    assert (sheet.author, sheet.reason) == ("ops-2", "整定 # 14")


def test_its_commented_lines_are_the_defaults(tmp_path: Path) -> None:
    text = write(None, [HEAD])
    assert reread(tmp_path, text).tables == {"head": {}}
    uncommented = text.replace("\n# ", "\n")
    tables = reread(tmp_path, uncommented).tables
    assert tables == as_tables({"head": defaults(HEAD)})
    assert list(tables["head"]) == list(KEYS)


def test_what_the_site_or_the_agent_no_longer_knows_is_kept(tmp_path: Path) -> None:
    stated = {"gone": {"phase_pickup_amps": 9.0}, "head": {"colour": 'r"\n\x7f\\', "on": True}}
    sheet = reread(tmp_path, write(version(stated), [HEAD]))
    assert sheet.tables == stated


@given(
    value=st.floats(allow_nan=False)
    | st.integers(-(2**63), 2**63 - 1)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
)
def test_any_value_reads_back_as_it_was(value: float | str) -> None:
    again = tomllib.loads(f"a = {scalar(value)}")["a"]
    assert (repr(again), type(again)) == (repr(value), type(value))


@given(amps=st.floats(500, 1e6), share=st.floats(0.3, 0.95))
@settings(deadline=None, suppress_health_check=list(HealthCheck))
def test_settings_survive_a_sheet_to_the_last_bit(
    tmp_path: Path, amps: float, share: float
) -> None:
    stated = {"head": {"phase_pickup_amps": amps, "undervoltage_share": share}}
    sheet = reread(tmp_path, write(version(stated), [HEAD]))
    chosen = parse(sheet.tables, [HEAD], "sheet")["head"]
    assert (chosen.phase_pickup_amps, chosen.undervoltage_share) == (amps, share)


def test_a_plain_file_has_no_head(tmp_path: Path) -> None:
    sheet = reread(tmp_path, "# version = 3\n[head]\nphase_pickup_amps = 900\n")
    assert (sheet.number, sheet.digest, sheet.author, sheet.reason) == (None,) * 4


@pytest.mark.parametrize("number", ["x", "-1", "", "1.5", "²", "9" * 5000])
def test_a_damaged_number_in_the_head_is_none(tmp_path: Path, number: str) -> None:
    text = write(version({}), [HEAD]).replace("version = 3", f"version = {number}")
    assert reread(tmp_path, text).number is None


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"[head", "not a setting sheet: .*at end of document"),
        (b"\xff\xfe", "not a setting sheet: 'utf-8'"),
        (b"a = " + b"[" * 100_000, "not a setting sheet: nested too deeply"),
        (b"a = " + b"1" * 10_000, "not a setting sheet"),
        (b"#" * (MOST_BYTES + 1), f"at most {MOST_BYTES} bytes"),
    ],
    ids=["torn", "utf-16", "deep", "huge-number", "long"],
)
def test_any_other_file_is_one_clear_line(tmp_path: Path, data: bytes, told: str) -> None:
    path = tmp_path / "sheet.toml"
    path.write_bytes(data)
    with pytest.raises(SiteError, match=told) as caught:
        read(path)
    assert len(caught.value.findings) == 1
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match="cannot be read"):
        read(tmp_path / "absent.toml")
    with pytest.raises(SiteError, match="cannot be read"):
        read(tmp_path)
