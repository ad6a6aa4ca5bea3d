"""`replay` as its user runs it: over generated records, and over real ones where they are there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.agent.detect.feeder import PICKUP, RATING, driving_volts, times, two_phase

SITE = """
[[bay]]
name = "main"
section = "s1"
nominal_volts = {volts}
frequency_hz = {hz}
earthing = "{earthing}"
rating_amps = {rating}
"""
Floats = npt.NDArray[np.float64]
FAULTS = {"fault", "high_impedance_fault", "intermittent_earth_fault", "broken_conductor"}


def replay(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "agent", "replay", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def told(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def site_file(folder: Path, **values: object) -> Path:
    path = folder / "site.toml"
    known = {"volts": 10_000, "hz": 50, "earthing": "resonant", "rating": RATING}
    path.write_text(SITE.format(**(known | values)))
    return path


def two_phase_record(path: Path, t: Floats, sections: str, revision: int = 1999) -> Path:
    """A two-phase fault at t = 0 in a BINARY record, written by hand from the standard."""
    rows = np.concatenate(
        (two_phase(t, 3 * PICKUP, 1.0, 0.04, (200, 0.0)), driving_volts(t, two_phase, 1.0, 12.6))
    )
    counts = np.rint(rows / 0.5).astype("<i2").T
    frames = np.zeros(len(t), dtype=[("n", "<u4"), ("t", "<u4"), ("a", "<i2", (6,))])
    frames["n"] = np.arange(1, len(t) + 1)
    frames["t"] = np.rint((t - t[0]) * 1e6)
    frames["a"] = counts
    names = [("IA", "A", "A"), ("IB", "B", "A"), ("IC", "C", "A")]
    names += [("UA", "A", "V"), ("UB", "B", "V"), ("UC", "C", "V")]
    lines = [f"station,device,{revision}", "6,6A,0D"]
    lines += [
        f"{k},{name},{phase},,{unit},0.5,0,0,-32767,32767,1,1,P"
        for k, (name, phase, unit) in enumerate(names, start=1)
    ]
    stamp = "24/11/2026,08:00:00.000000"
    lines += ["50", sections, stamp, stamp, "BINARY", "1"]
    lines += ["+8,+8", "0,0"] if revision == 2013 else []
    path.write_text("\r\n".join(lines) + "\r\n")
    path.with_suffix(".dat").write_bytes(frames.tobytes())
    return path


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """The fault at 0.1 s of 0.4 s at 4 kHz."""
    return two_phase_record(tmp_path / "two_phase.cfg", times(4000, 0.4, 0.1), "1\r\n4000,1600")


def as_single_file(record: Path) -> Path:
    """The record in one .cff file beside its two files."""
    dat = record.with_suffix(".dat").read_bytes()
    head = f"--- file type: DAT BINARY: {len(dat)} ---\r\n".encode()
    single = record.with_suffix(".cff")
    single.write_bytes(b"--- file type: CFG ---\r\n" + record.read_bytes() + head + dat)
    return single


def test_a_fault_is_told_in_json(record: Path, tmp_path: Path) -> None:
    done = replay(record, "--site", site_file(tmp_path), "--json")
    assert done.returncode == 0
    (fault,) = [event for event in told(done) if event["event"] == "fault"]
    assert fault["record"] == "two_phase"
    assert fault["bay"] == "main"
    assert fault["kind"] == "BC"
    assert fault["direction"] == "forward"
    assert fault["alarm"] is True
    assert fault["onset"] == pytest.approx(0.1, abs=0.005)
    assert 0.1 < fault["t"] <= 0.12
    assert fault["why"]["phase_pickup_amps"] == PICKUP


def test_the_same_without_a_site_file_from_nominal_values_that_are_told(record: Path) -> None:
    done = replay(record)
    assert done.returncode == 0
    assert "no site file; taken as 10000 V, 400.1 A rating, 50 Hz" in done.stderr
    assert "ALARM FAULT, bay main, BC" in done.stdout


def test_settings_move_the_pickup(record: Path, tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(
        "[main]\nphase_pickup_amps = 9000\nresidual_pickup_amps = 9000\n"
    )
    site = site_file(tmp_path)
    done = replay(record, "--site", site, "--settings", tmp_path / "settings.toml", "--json")
    assert done.returncode == 0
    assert not [event for event in told(done) if event["event"] == "fault"]


def test_settings_let_a_stage_operate_and_a_swell_be_told(record: Path, tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(
        "[main]\nphase_inverse_curve = 'C'\nphase_inverse_multiplier = 0.1\n"
        "phase_delay_ms = 200\novervoltage_share = 1.05\n"
    )
    # The record's 10 kV are a sixth too much for a feeder of 8.6 kV.
    site = site_file(tmp_path, volts=8_600)
    done = replay(record, "--site", site, "--settings", tmp_path / "settings.toml", "--json")
    assert done.returncode == 0
    events = told(done)
    assert [(event["event"], event.get("element")) for event in events] == [
        ("swell", "59"),
        ("fault", "50P"),
        ("operate", "50P"),
        ("operate", "51P"),
    ]
    assert [event["alarm"] for event in events] == [False, True, False, False]
    assert events[2]["t"] == pytest.approx(0.3, abs=0.01)
    # Curve C with TMS 0.1; in phase C half of the load of 200 A adds to the fault. Is = 480 A.
    ratio = abs(3 * PICKUP * np.exp(1j) + 100) / 480
    assert events[3]["t"] == pytest.approx(0.1 + 0.1 * 80 / (ratio**2 - 1), abs=0.01)
    assert events[3]["phases"] == "BC"
    plain = replay(record, "--site", site, "--settings", tmp_path / "settings.toml").stdout
    assert "operated, bay main, BC, phases BC, by 51P" in plain


def test_a_stated_mapping_is_followed_and_what_is_missing_is_told(
    record: Path, tmp_path: Path
) -> None:
    mapping = "ia=IB,ib=IC,ic=IA,i0=3I0,ua=UB,ub=UC,uc=UA"
    done = replay(record, "--site", site_file(tmp_path), "--channels", mapping, "--json")
    assert done.returncode == 0
    assert "no channel '3I0'" in done.stderr
    (fault,) = [event for event in told(done) if event["event"] == "fault"]
    assert fault["kind"] == "AB"


def test_a_cut_just_after_the_decision_still_yields_it(record: Path, tmp_path: Path) -> None:
    site = site_file(tmp_path)
    (whole,) = [e for e in told(replay(record, "--site", site, "--json")) if e["event"] == "fault"]
    samples = round(whole["t"] * 4000) + 1
    dat = record.with_suffix(".dat")
    dat.write_bytes(dat.read_bytes()[: samples * 20])
    record.write_text(record.read_text().replace("4000,1600", f"4000,{samples}"))
    (cut,) = [e for e in told(replay(record, "--site", site, "--json")) if e["event"] == "fault"]
    assert cut == whole


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        pytest.param(lambda cfg: cfg.unlink(), "is neither file nor folder", id="no-file"),
        pytest.param(lambda cfg: cfg.write_bytes(b"\xff\x00nonsense"), "two_phase", id="no-cfg"),
        pytest.param(lambda cfg: cfg.with_suffix(".dat").unlink(), "two_phase", id="no-dat"),
    ],
)
def test_a_record_that_cannot_be_read_is_one_line_and_no_traceback(
    record: Path, spoil: Callable[[Path], None], expected: str
) -> None:
    spoil(record)
    done = replay(record)
    assert done.returncode in (1, 2)
    assert expected in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_a_single_file_is_replayed_like_its_two_files(record: Path, tmp_path: Path) -> None:
    site, single = site_file(tmp_path), as_single_file(record)
    mapping = ("--channels", "ia=IA,ib=IB,ic=IC,ua=UA,ub=UB,uc=UC")
    pair = replay(record, "--site", site, *mapping, "--json")
    assert told(pair)
    assert replay(single, "--site", site, *mapping, "--json").stdout == pair.stdout
    folder = replay(tmp_path, "--site", site, *mapping, "--json")
    assert folder.stdout == pair.stdout
    assert folder.returncode == 0
    assert "two_phase.cfg: left out, two_phase.cff beside it is the same record" in folder.stderr


@pytest.mark.parametrize("onset_s", [0.1, 0.35])
def test_a_fault_at_any_rate_of_a_record_is_told_at_its_true_time(
    onset_s: float, tmp_path: Path
) -> None:
    instants = [k / 1000 for k in range(200)]
    instants += [instants[-1] + k / 4000 for k in range(1, 1600)]
    path = tmp_path / "rates.cfg"
    two_phase_record(path, np.array(instants) - onset_s, "2\r\n1000,200\r\n4000,1799", 2013)
    done = replay(path, "--site", site_file(tmp_path), "--json")
    assert done.returncode == 0
    assert "the rate changes: 1000 Hz from 0 s, 4000 Hz from 0.19925 s" in done.stderr
    (first,) = (event for event in told(done) if event["event"] == "fault")
    assert ("the fault goes on where the rate changes; told once" in done.stderr) == (onset_s < 0.2)
    assert first["kind"] == "BC"
    assert first["onset"] == pytest.approx(onset_s, abs=0.005)
    assert onset_s < first["t"] <= onset_s + 0.021


@pytest.mark.parametrize(
    ("sections", "code", "expected"),
    [
        pytest.param("1\r\n200,400", 1, "sampled at 200 Hz; expected at least 8", id="all-of-it"),
        pytest.param("1\r\n5,400", 1, "sampled at 5 Hz; expected at least 8", id="a-trend"),
        pytest.param("2\r\n200,40\r\n4000,400", 0, "200 Hz is left out: a cycle of 4", id="a-part"),
    ],
)
def test_too_few_samples_in_a_cycle_are_told(
    sections: str, code: int, expected: str, tmp_path: Path
) -> None:
    path = two_phase_record(tmp_path / "slow.cfg", times(4000, 0.1, 9.0), sections)
    done = replay(path)
    assert done.returncode == code
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


def test_pictures_are_drawn_beside_the_same_output(record: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.cfg").write_text("nothing")
    site = site_file(tmp_path)
    plain = replay(tmp_path, "--site", site)
    drawn = replay(tmp_path, "--site", site, "--plot", tmp_path / "new" / "folder")
    assert (drawn.returncode, drawn.stdout, drawn.stderr) == (1, plain.stdout, plain.stderr)
    (picture,) = (tmp_path / "new" / "folder").iterdir()
    assert picture.name == f"{record.stem}.png"
    assert picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_a_folder_for_pictures_that_cannot_be_made_is_one_line(record: Path) -> None:
    done = replay(record, "--plot", record)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"ftu-agent: --plot: {record}")
    assert len(done.stderr.splitlines()) == 1


def test_pictures_without_matplotlib_are_one_line_that_says_what_to_install(record: Path) -> None:
    program = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from agent.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", program, "replay", str(record)]
    without = subprocess.run(
        [*command, "--plot", str(record.parent)], capture_output=True, text=True, check=False
    )
    assert without.returncode == 2
    assert without.stderr == (
        "ftu-agent: --plot: matplotlib is not installed; expected pip install 'ftu-agent[plot]'\n"
    )
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_one_bad_record_does_not_keep_the_others_back(record: Path, tmp_path: Path) -> None:
    (tmp_path / "a_bad.cfg").write_text("nothing")
    done = replay(tmp_path, "--site", site_file(tmp_path), "--json")
    assert done.returncode == 1
    assert "a_bad" in done.stderr
    assert told(done)[0]["event"] == "fault"


def test_several_bays_want_a_choice(record: Path, tmp_path: Path) -> None:
    site = site_file(tmp_path)
    site.write_text(site.read_text() + site.read_text().replace('"main"', '"other"'))
    done = replay(record, "--site", site)
    assert done.returncode == 2
    assert "--bay, one of main, other" in done.stderr
    assert replay(record, "--site", site, "--bay", "other").returncode == 0


def real_rows() -> list[dict[str, str]]:
    """The rows of INDEX.md beside the real records; [] where they are not there."""
    folder = os.environ.get("FTU_RECORDS")
    if not folder or not (Path(folder) / "INDEX.md").exists():
        return []
    lines = (Path(folder) / "INDEX.md").read_text().splitlines()
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if "|" in line]
    head, *rows = [row for row in table if len(row) > 12]
    return [dict(zip(head, row, strict=True)) for row in rows if not row[0].startswith("-")]


@pytest.mark.skipif(not real_rows(), reason="FTU_RECORDS names no folder of real records")
@pytest.mark.parametrize("row", real_rows(), ids=lambda row: row["record"])
def test_real_records_alarm_where_there_is_a_fault_and_only_there(
    row: dict[str, str], tmp_path: Path
) -> None:
    volts = round(float(row["phase voltage nominal"] or 5773.5) * 3**0.5, 1)
    incomer = row["record"].startswith("incomer")
    earthing = "resonant" if incomer else "solid"
    site = site_file(tmp_path, volts=volts, hz=row["f"], rating=row["rating A"], earthing=earthing)
    path = Path(os.environ["FTU_RECORDS"]) / f"{row['record']}.cfg"
    done = replay(path, "--site", site, "--json")
    assert done.returncode == 0, done.stderr
    alarms = [e for e in told(done) if e["event"] in FAULTS and e["alarm"]]
    if row["kind"] == "no_fault":
        assert not alarms
    own = row["where"] in ("forward", "unknown") and not incomer
    if row["kind"] == "fault" and own and float(row["current ratio"] or 0) >= 3:
        assert alarms
        assert alarms[0]["t"] > float(row["onset"])
