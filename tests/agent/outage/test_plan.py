from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.errors import SiteError
from agent.outage.plan import load, newest

GOOD = """
[[plan]]
id = "P-2026-118"
revision = 2
kind = "planned"
section = "s1"
start = 2026-11-24T08:00:00+08:00
end = 2026-11-24T10:30:00+08:00
phases = "ABC"
issued_at = 2026-11-16T09:00:00+08:00
tolerance_s = 120
"""


def file(folder: Path, text: str, name: str = "plan.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_plan_is_read_whole(tmp_path: Path) -> None:
    (plan,) = load([file(tmp_path, GOOD)])
    assert (plan.plan, plan.revision, plan.section, plan.phases) == ("P-2026-118", 2, "s1", "ABC")
    assert plan.start_us == 1_795_478_400 * 1_000_000  # 2026-11-24T00:00:00Z
    assert plan.end_us - plan.start_us == 9000 * 1_000_000
    assert plan.tolerance_s == 120


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ('id = "P-2026-118"', 'id = "P 1"', "id"),
        ("revision = 2", "revision = 0", "revision"),
        ("revision = 2", "revision = true", "revision"),
        ('kind = "planned"', 'kind = "party"', "kind"),
        ('phases = "ABC"', 'phases = "N"', "phases"),
        ('phases = "ABC"', 'phases = ["A"]', "phases"),
        ("+08:00\nend", "\nend", "with its offset"),
        ("10:30", "07:30", "after start"),
        ("2026-11-24T10", "2027-11-24T10", "within 30 days"),
        ("tolerance_s = 120", "tolerance_s = -1", "tolerance_s"),
        ("tolerance_s = 120", 'phone = "123"', "holds no person"),
        ("tolerance_s = 120", '"联系人" = "x"', "holds no person"),
        ("tolerance_s = 120", "colour = 1", "unknown key"),
        ("[[plan]]", "[plan]", "one [[plan]] for each"),
        ("[[plan]]", "[[plan", "not TOML"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, old: str, new: str, finding: str) -> None:
    with pytest.raises(SiteError) as caught:
        load([file(tmp_path, GOOD.replace(old, new, 1))])
    assert any(finding in line for line in caught.value.findings)


def test_all_findings_come_at_once(tmp_path: Path) -> None:
    with pytest.raises(SiteError) as caught:
        load([file(tmp_path, '[[plan]]\nphone = "1"\n'), tmp_path / "none.toml"])
    assert len(caught.value.findings) == 6  # id, section, start, end, phone; and the other file


def test_a_plan_of_another_devices_section_is_told(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match="is not of this device"):
        load([file(tmp_path, GOOD)], ["s2"])


def test_a_revision_never_overwrites_history(tmp_path: Path) -> None:
    same = file(tmp_path, GOOD, "same.toml")
    changed = file(tmp_path, GOOD.replace("10:30", "11:30"), "changed.toml")
    assert len(load([file(tmp_path, GOOD), same])) == 1
    with pytest.raises(SiteError, match="expected a higher revision"):
        load([same, changed])


def test_the_newest_revision_is_carried_out(tmp_path: Path) -> None:
    later = GOOD.replace("revision = 2", "revision = 3")
    plans = load([file(tmp_path, later), file(tmp_path, GOOD, "old.toml")])
    assert [plan.revision for plan in newest(plans)] == [3]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.one_of(st.text(), st.text().map(lambda t: f"{GOOD}{t}")))
def test_any_text_is_plans_or_findings(tmp_path: Path, text: str) -> None:
    path = tmp_path / "any.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        load([path])
    except SiteError as error:
        assert error.findings


@pytest.mark.parametrize(
    "key",
    [
        "name",
        "contact_name",
        "Phone",
        "tel",
        "mobile",
        "e-mail",
        "address",
        "contact",
        "person",
        "customer_ids",
        "wechat",
        "姓名",
        "联系电话",
        "手机号",
        "用户地址",
    ],
)
def test_whatever_would_hold_a_person_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(SiteError) as caught:
        load([file(tmp_path, f'{GOOD}"{key}" = "x"\n')])
    (finding,) = caught.value.findings
    assert f"{key}: a plan on the device holds no person" in finding
    assert "'x'" not in finding


@pytest.mark.parametrize("key", ["start", "end", "issued_at"])
@pytest.mark.parametrize(
    "value", ["2026-11-24T08:00:00", "2026-11-24", "08:00:00", '"2026-11-24T08:00:00Z"', "1"]
)
def test_a_time_without_its_offset_is_refused(tmp_path: Path, key: str, value: str) -> None:
    lines = [line for line in GOOD.splitlines() if not line.startswith(key)]
    with pytest.raises(SiteError) as caught:
        load([file(tmp_path, "\n".join([*lines, f"{key} = {value}"]))])
    (finding,) = caught.value.findings
    assert f"{key}: expected a date and time with its offset" in finding


def test_an_offset_is_the_same_instant_written_otherwise(tmp_path: Path) -> None:
    utc = GOOD.replace("T08:00:00+08:00", "T00:00:00Z")
    assert load([file(tmp_path, utc)]) == load([file(tmp_path, GOOD)])


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("x = " + "9" * 5000, id="a-number-of-5000-digits"),
        pytest.param("x = " + "[" * 5000, id="too-deep"),
        pytest.param("\ufeff" + GOOD, id="a-byte-order-mark"),
        pytest.param(GOOD + "tolerance_s = 1", id="a-key-twice"),
    ],
)
def test_a_file_that_cannot_be_taken_apart_is_one_finding(tmp_path: Path, text: str) -> None:
    with pytest.raises(SiteError) as caught:
        load([file(tmp_path, text)])
    (finding,) = caught.value.findings
    assert "is not TOML" in finding


VALUES = st.sampled_from(
    [
        '"s1"',
        '""',
        "0",
        "-1",
        "3",
        "9" * 30,
        "nan",
        "-inf",
        "1.5",
        "true",
        "[]",
        "[1, {}]",
        "{}",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "2026-11-24T08:00:00",
        '"ABC"',
    ]
)
KEYS = st.sampled_from(
    [
        "id",
        "revision",
        "kind",
        "section",
        "start",
        "end",
        "phases",
        "issued_at",
        "cancelled",
        "tolerance_s",
        "phone",
        "colour",
        "a.b",
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(KEYS, VALUES, max_size=4))
def test_any_value_of_any_key_is_plans_or_findings(tmp_path: Path, changes: dict[str, str]) -> None:
    kept = [line for line in GOOD.splitlines() if line.split(" ")[0] not in changes]
    told = [f"{key} = {value}" for key, value in changes.items()]
    try:
        (plan,) = load([file(tmp_path, "\n".join([*kept, *told]), "any.toml")])
    except SiteError as error:
        assert error.findings
    else:
        assert plan.start_us < plan.end_us
        assert not {"phone", "colour", "a.b"} & changes.keys()
