"""A copy of a log, a hand that changes it, and the finding that names what it did."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.clock import Timemap
from agent.errors import RecordError
from agent.store import (
    cbor,
    chain,
    device_key,
    disk,
    entries,
    entry,
    segment,
    segment_files,
    slots,
)
from agent.store.chain import Head
from agent.store.device_key import DeviceKey, PublicKey
from agent.store.evidence import GivenHead, entry_head, given_heads
from agent.store.journal import Limits, verify
from agent.store.proof import Proof, prove
from tests.agent.store.evidence_log import (
    NODE,
    SITE,
    Device,
    Now,
    copy_of,
    rewrite,
    stored,
    story,
)

Payloads = list[bytes]


@pytest.fixture(scope="module", autouse=True)
def _small_segments() -> Iterator[None]:
    """Hundreds of copies are made here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segment_files, "SEGMENT_BYTES", 8192)
        yield


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Device:
    return story(tmp_path_factory.mktemp("device"))


def key_of(device: Device) -> PublicKey:
    return device_key.read_public(device.folder / device_key.PUBLIC_FILE)


def kinds(proof: Proof) -> set[str]:
    return {finding.kind for finding in proof.findings}


def heads_in(log: Path) -> list[Head]:
    heads = [entry_head(cbor.loads(item.payload)) for item in stored(log, "s")]
    return [head for head in heads if head is not None]


def edited(payload: bytes) -> bytes:
    """The same record, of another bay or door."""
    logged = cbor.loads(payload)
    return cbor.dumps([each + "x" if isinstance(each, str) else each for each in logged])


def test_an_untouched_copy_proves_itself(device: Device, tmp_path: Path) -> None:
    proof = prove(copy_of(device, tmp_path / "copy"), key_of(device))

    assert (proof.ok, proof.findings) == (True, ())
    a, s = proof.lanes
    assert (a.up_to, a.records) == (13, 13)
    assert s.heads == 4
    assert s.records == s.up_to == len(stored(device.log, "s")) - 1  # all but the last head


@given(data=st.data())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_single_change_of_either_lane_is_found(
    device: Device, tmp_path: Path, data: st.DataObject
) -> None:
    copy = copy_of(device, tmp_path / "copy")
    lane = data.draw(st.sampled_from("as"))
    # The last head of lane s has none behind it; its own signature is the next test.
    count = len(stored(copy, lane)) - (lane == "s")
    at = data.draw(st.integers(0, count - 1))
    other = data.draw(st.integers(0, count - 1).filter(lambda n: n != at))
    hand, expected = data.draw(
        st.sampled_from(
            [
                ("edit", {"edited", "signature"}),
                ("swap", {"reordered", "edited"}),
                ("repeat", {"repeated", "edited", "cut"}),
                ("leave out", {"edited", "cut"}),
                ("put another's in", {"repeated", "edited"}),
            ]
        )
    )

    def change(payloads: Payloads) -> Payloads:
        changed = list(payloads)
        if hand == "edit":
            changed[at] = edited(changed[at])
        elif hand == "swap":
            changed[at], changed[other] = changed[other], changed[at]
        elif hand == "repeat":
            changed.insert(at, changed[other])
        elif hand == "leave out":
            del changed[at]
        else:
            changed[at] = changed[other]
        return changed

    rewrite(copy, lane, change)
    assert verify(copy).ok  # the bytes themselves show nothing
    proof = prove(copy, key_of(device))
    assert kinds(proof) & expected
    assert any(finding.lane == lane for finding in proof.findings)


@pytest.mark.parametrize("lane", "as")
def test_an_edited_record_is_placed_between_two_heads(
    device: Device, tmp_path: Path, lane: str
) -> None:
    copy = copy_of(device, tmp_path / "copy")
    rewrite(copy, lane, lambda p: [*p[:1], edited(p[1]), *p[2:]])
    (finding,) = prove(copy, key_of(device)).findings

    first = next(head for head in heads_in(copy) if head.lane == lane)
    assert (finding.kind, finding.lane) == ("edited", lane)
    assert (finding.first, finding.last) == (1, first.seq)
    assert f"heads at seq 0 and {first.seq}" in finding.told


@pytest.mark.parametrize(("one", "other"), [(0, 1), (0, 3), (4, 6)])
def test_records_at_other_places_are_named(
    device: Device, tmp_path: Path, one: int, other: int
) -> None:
    def swap(payloads: Payloads) -> Payloads:
        payloads[one], payloads[other] = payloads[other], payloads[one]
        return payloads

    copy = copy_of(device, tmp_path / "copy")
    rewrite(copy, "a", swap)
    (finding,) = (f for f in prove(copy, key_of(device)).findings if f.kind != "clock")
    assert (finding.kind, finding.first, finding.last) == ("reordered", one + 1, other + 1)


def test_a_record_that_stands_there_twice_is_named(device: Device, tmp_path: Path) -> None:
    copy = copy_of(device, tmp_path / "copy")
    rewrite(copy, "a", lambda p: [*p[:3], p[1], *p[4:]])
    findings = {finding.kind: finding for finding in prove(copy, key_of(device)).findings}
    assert (findings["repeated"].first, findings["repeated"].last) == (2, 4)


def test_what_is_put_behind_the_last_head_is_told_as_not_vouched_for(
    device: Device, tmp_path: Path
) -> None:
    copy = copy_of(device, tmp_path / "copy")
    rewrite(copy, "a", lambda p: [*p, p[-1]])
    proof = prove(copy, key_of(device))
    note = proof.notes[0]
    assert (note.kind, note.lane, note.first, note.last) == ("unproven", "a", 14, 14)


@pytest.mark.parametrize("keep", range(13))
def test_a_cut_tail_of_alarms_is_named(device: Device, tmp_path: Path, keep: int) -> None:
    copy = copy_of(device, tmp_path / "copy")
    rewrite(copy, "a", lambda p: p[:keep])
    (finding,) = prove(copy, key_of(device)).findings
    assert (finding.kind, finding.lane, finding.first, finding.last) == ("cut", "a", keep + 1, 13)


def test_a_lane_that_is_gone_is_named(device: Device, tmp_path: Path) -> None:
    copy = copy_of(device, tmp_path / "copy")
    for path in copy.glob("a*"):
        path.unlink()
    assert kinds(prove(copy, key_of(device))) == {"cut"}


def test_both_lanes_cut_off_together_are_found_by_a_consumers_head(
    device: Device, tmp_path: Path
) -> None:
    copy = copy_of(device, tmp_path / "copy")
    first = heads_in(copy)[:2]
    rewrite(copy, "a", lambda p: p[: first[0].seq])
    rewrite(copy, "s", lambda p: p[: first[1].seq + 1])
    assert prove(copy, key_of(device)).ok  # a shorter log, and a true one

    kept = GivenHead(heads_in(device.log)[-1], device.journal.epoch, NODE)
    proof = prove(copy, key_of(device), [kept])
    assert [(f.kind, f.lane, f.last) for f in proof.findings] == [("cut", "s", kept.head.seq)]


def signed_anew(device: Device, secret: DeviceKey, copy: Path, epoch: int) -> None:
    """Somebody edits an alarm and writes every head anew, with a key of his own."""
    rewrite(copy, "a", lambda p: [edited(p[0]), *p[1:]])
    lanes = {lane: chain.Chain(epoch, lane) for lane in "as"}
    alarms = stored(copy, "a")

    def forge(payloads: Payloads) -> Payloads:
        forged = []
        for payload in payloads:
            head = entry_head(cbor.loads(payload))
            if head is not None:
                own = lanes[head.lane]
                if head.lane == "a":
                    for item in alarms[own.seq : head.seq]:
                        own.record(item.seq, item.payload)
                at = tuple(head.logged[entry.BOOT : entry.FIRST])
                name, lowest = chain.key_id(secret.public), head.lowest or 1
                columns = chain.head_columns(own, lowest, name, b"")
                signed = chain.signed_bytes(
                    SITE, NODE, epoch, Head(entry.compose(entry.HEAD, at, columns))
                )
                columns["signature"] = secret.sign(signed)
                own.headed()
                forged.append(cbor.dumps(entry.compose(entry.HEAD, at, columns)))
            else:
                forged.append(payload)
            lanes["s"].record(len(forged), forged[-1])
        return forged

    rewrite(copy, "s", forge)


def test_heads_of_another_key_are_named_and_prove_nothing(device: Device, tmp_path: Path) -> None:
    other = DeviceKey(bytes(32), "new")
    copy = copy_of(device, tmp_path / "copy")
    signed_anew(device, other, copy, device.journal.epoch)

    assert prove(copy).ok  # without the key nobody can tell: verify says so
    assert prove(copy, PublicKey(SITE, NODE, other.public)).ok  # it is a good forgery
    proof = prove(copy, key_of(device))
    assert "key" in kinds(proof)
    assert [lane.records for lane in proof.lanes] == [0, 0]


def test_a_head_that_was_edited_is_named(device: Device, tmp_path: Path) -> None:
    copy = copy_of(device, tmp_path / "copy")

    def bend(payloads: Payloads) -> Payloads:
        logged = cbor.loads(payloads[-1])
        logged[entry.UTC] += 1
        return [*payloads[:-1], cbor.dumps(logged)]

    rewrite(copy, "s", bend)
    assert kinds(prove(copy, key_of(device))) == {"signature"}


def test_another_log_in_its_place_is_named(device: Device, tmp_path: Path) -> None:
    """The same device's key, another epoch: its log was put in place of the one that counts."""
    now = Now()
    folder = tmp_path / "other"
    folder.mkdir()
    shutil.copy(device.folder / device_key.KEY_FILE, folder)
    other = Device(folder, now)
    other.event()
    other.stop()
    assert prove(other.log, key_of(device)).ok

    kept = GivenHead(heads_in(device.log)[-1], device.journal.epoch, NODE)
    assert kinds(prove(other.log, key_of(device), [kept])) == {"epoch"}

    copy = copy_of(device, tmp_path / "copy")
    shutil.copy(next(other.log.glob("a-*")), copy)
    proof = prove(copy, key_of(device))
    assert {"epoch", "cut"} <= kinds(proof)


def test_a_beginning_that_was_cut_off_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment_files, "SEGMENT_BYTES", 400)
    device = story(tmp_path / "device")
    copy = copy_of(device, tmp_path / "copy")
    first, second = sorted(copy.glob("a-*"))[:2]
    begin = int(second.name[2:22])
    first.unlink()
    (finding,) = prove(copy, key_of(device)).findings
    assert (finding.kind, finding.lane, finding.first, finding.last) == ("cut", "a", 1, begin - 1)


def test_heads_that_were_taken_out_are_missed(tmp_path: Path) -> None:
    device = story(tmp_path / "device")
    copy = copy_of(device, tmp_path / "copy")
    for path in copy.glob("s*"):
        path.unlink()
    assert kinds(prove(copy, key_of(device))) == {"unsigned"}


# --- clocks ---


def test_utc_that_goes_back_in_a_boot_needs_a_timemap(tmp_path: Path) -> None:
    for told in (True, False):
        device = Device(tmp_path / str(told))
        device.event()
        device.now.offset_us -= 7_200_000_000
        if told:
            change = Timemap(device.now(), 0, device.now.offset_us, "step")
            device.journal.append("h", cbor.dumps(entries.timemap_entry(change)))
        device.event()
        device.now.wait(60)
        device.audit("h", "an hour later")
        device.stop()
        proof = prove(device.log, key_of(device))
        assert kinds(proof) == (set() if told else {"clock"})
        line = (proof.notes if told else proof.findings)[0].line()
        assert "lane a, seq 2" in line
        assert "UTC was set back by 7200.0 s in boot 1" in line


@pytest.mark.parametrize(
    ("turn", "told"),
    [
        (lambda now: setattr(now, "mono_us", now.mono_us - 60_000_000), "went back by 59.0 s"),
        (lambda now: setattr(now, "boot", now.boot - 1), "boot 6 after boot 7"),
    ],
)
def test_a_boot_or_its_clock_that_goes_back_is_named(
    tmp_path: Path, turn: Callable[[Now], None], told: str
) -> None:
    now = Now()
    now.boot, now.mono_us = 7, 500_000_000
    device = Device(tmp_path / "device", now)
    device.event()
    turn(now)
    now.offset_us = 10**15
    device.event()
    device.stop()
    proof = prove(device.log, key_of(device))
    assert kinds(proof) == {"clock"}
    assert any(told in finding.line() for finding in proof.findings)


def test_a_stamp_that_is_late_as_on_a_starved_processor_accuses_nobody(tmp_path: Path) -> None:
    device = Device(tmp_path / "device", Now())
    device.event()
    device.now.wait(60)
    device.event()
    device.now.mono_us -= 25_000_000  # less than a supervisor gives a process to start
    device.event()
    device.stop()

    assert kinds(prove(device.log, key_of(device))) == set()


# --- an untouched log, whatever it has been through ---


def test_a_power_cut_within_the_last_record_of_either_lane_is_never_taken_for_a_hand(
    tmp_path: Path,
) -> None:
    """Behind what is on disk a cut leaves any part of the last write; the next start goes on."""
    device = story(tmp_path / "device", rounds=1, each=2)
    for lane in "as":
        (path,) = sorted(device.log.glob(f"{lane}-*"))[-1:]
        data = path.read_bytes()
        last = stored(device.log, lane)[-1].payload
        begin = data.rindex(last) - segment.FRAME_BYTES
        for cut in range(0, segment.FRAME_BYTES + len(last), 8):
            log = copy_of(device, tmp_path / "again" / "log")
            (log / path.name).write_bytes(data[: begin + cut].ljust(len(data), b"\0"))
            if lane == "a":  # heads are of what was on disk, so those of the cut one never were
                rewrite(log, "s", lambda payloads: payloads[:2])
            shutil.copy(device.folder / device_key.KEY_FILE, log.parent)
            assert_goes_on(log.parent)


def assert_goes_on(folder: Path) -> None:
    now = Now()
    now.boot = 2
    again = Device(folder, now)
    again.event()
    again.stop()
    assert prove(again.log, key_of(again)).findings == ()
    assert verify(again.log).ok


def test_retention_takes_the_oldest_and_what_is_left_is_proven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment_files, "SEGMENT_BYTES", 500)
    device = Device(tmp_path / "device", limits=Limits({"a": 2500, "s": 10_000}))
    for _ in range(20):
        for _ in range(5):
            device.event()
        device.look()
        device.now.wait(301)
        device.look()
    device.stop()
    proof = prove(device.log, key_of(device))
    assert proof.findings == ()
    a = proof.lanes[0]
    kept = len(stored(device.log, "a"))
    assert kept - 5 <= a.records <= kept < 100  # at most up to the first head nobody can vouch


@pytest.mark.parametrize("reason", ["damaged", "removed"])
def test_what_was_lost_before_it_was_signed_is_history_and_after_it_a_finding(
    tmp_path: Path, reason: str
) -> None:
    device = Device(tmp_path / "device")
    for _ in range(5):
        device.event()
    path = next(device.log.glob("a-*"))
    whole = path.read_bytes()
    spoilt = bytearray(whole)
    spoilt[whole.index(stored(device.log, "a")[2].payload) + 5] ^= 1
    if reason == "removed":  # an entry that is none travels as damaged, too
        rewrite(device.log, "a", lambda p: [*p[:2], cbor.dumps([1, 2]), *p[3:]])
        spoilt = bytearray(path.read_bytes())
    path.write_bytes(whole)
    device.look()
    device.event()
    device.look()
    path.write_bytes(bytes(spoilt[:1000]) + path.read_bytes()[1000:])
    device.stop()
    finding = next(f for f in prove(device.log, key_of(device)).findings if f.kind == "lost")
    assert (finding.lane, finding.first, finding.last) == ("a", 3, 3)
    assert "damaged" in finding.told

    before = Device(tmp_path / "before")
    for place in range(5):
        if place == 2:
            before.journal.append("a", cbor.dumps([1, 2]))
        before.event()
    before.stop()
    assert prove(before.log, key_of(before)).findings == ()
    assert heads_in(before.log)[0].lost == [(3, 3, "damaged")]


@given(data=st.data())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_in_the_files_is_a_finding_and_never_a_crash(
    device: Device, tmp_path: Path, data: st.DataObject
) -> None:
    copy = copy_of(device, tmp_path / "copy")
    names = sorted(path.name for path in copy.iterdir() if path.stat().st_size)
    path = copy / data.draw(st.sampled_from(names))
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, min(2000, len(content)) - 1))
    content[at:] = data.draw(st.binary(max_size=20)) + content[at + data.draw(st.integers(0, 9)) :]
    path.write_bytes(content)
    proof = prove(copy, key_of(device))
    if stored(copy, "a") != stored(device.log, "a"):
        assert not proof.ok


@pytest.mark.parametrize("text", ["1 2", "x y z", f"1 {1 << 70} 1", "-1 -1 -1"])
def test_whole_lines_and_slots_of_another_hand_are_passed_over(
    device: Device, tmp_path: Path, text: str
) -> None:
    copy = copy_of(device, tmp_path / "copy")
    (copy / "a.checkpoint").write_bytes(disk.checked_line(text))
    slots.write(copy / "a.removed", 9, json.dumps([text]).encode())
    assert prove(copy, key_of(device)).ok
    assert verify(copy).ok


# --- the command ---


def run(capsys: pytest.CaptureFixture[str], *arguments: Any) -> tuple[int, str]:
    from agent.cli import main

    status = main([str(each) for each in arguments])
    told = capsys.readouterr()
    return status, told.out + told.err


def test_the_command_needs_only_the_copy_and_the_key(
    device: Device, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "ftu-7.pub"
    assert run(capsys, "journal", "export", device.folder, "--key", key)[0] == 0
    copy = copy_of(device, tmp_path / "copy")
    status, told = run(capsys, "journal", "verify", copy, "--key", key)
    assert (status, "vouch for 13 records" in told, "intact" in told) == (0, True, True)

    rewrite(copy, "a", lambda p: [edited(p[0]), *p[1:]])
    status, told = run(capsys, "journal", "verify", copy, "--key", key)
    assert status == 1
    wrong = [line for line in told.splitlines() if "WRONG" in line]
    assert len(wrong) == 1
    assert "lane a, seq 1 to 4: edited" in wrong[0]

    status, told = run(capsys, "journal", "verify", copy, "--key", key, "--json")
    shown = json.loads(told)
    assert (status, shown["ok"]) == (1, False)
    assert [each["kind"] for each in shown["evidence"]["findings"]] == ["edited"]


@pytest.mark.parametrize("made_by", ["export", "listen"])
def test_heads_come_back_from_what_people_print(
    device: Device, tmp_path: Path, capsys: pytest.CaptureFixture[str], made_by: str
) -> None:
    lines = []
    for item in stored(device.log, "s"):
        shown = entries.shown(cbor.loads(item.payload))
        if made_by == "listen":
            key = entries.Key(NODE, device.journal.epoch, "s", item.seq)
            shown = entries.delivered_json(cbor.loads(item.payload), key)
        lines.append(json.dumps(shown))
    path = tmp_path / "heads.jsonl"
    path.write_text("\n".join(lines) + "\n")
    given = given_heads(path)
    assert [each.head.logged for each in given] == [head.logged for head in heads_in(device.log)]
    assert {each.epoch for each in given} == {None if made_by == "export" else device.journal.epoch}


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"event": "head"}', '{"event":"head","t":5,"clock":{}}', "\xff", "1"]
)
def test_what_is_no_head_is_one_clear_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "heads.jsonl"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(RecordError, match="line 1"):
        given_heads(path)


@pytest.mark.parametrize("words", [("stat", "--key", "k"), ("export", "--head", "h")])
def test_options_that_do_not_fit_are_refused(
    device: Device, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    what, *options = words
    assert run(capsys, "journal", what, device.folder, *options)[0] == 2
