"""`ftu-agent journal`: look into the log without touching it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from agent.errors import RecordError, StoreError
from agent.store import cbor, disk, entries
from agent.store.device_key import PUBLIC_FILE, PublicKey, read_public
from agent.store.evidence import given_heads
from agent.store.follower import Finding
from agent.store.journal import LaneReport, Lost, export, verify
from agent.store.proof import Proof, prove
from agent.uplink import wire


def run(
    what: str, folder: Path, *, as_json: bool, key: Path | None = None, heads: Path | None = None
) -> int:
    """`stat`, `verify` or `export` of the log in `folder`; 1 when something is wrong with it.

    key: the device's public key, heads: what a consumer has kept of them, for `verify`.
    """
    log = _log_in(folder)
    if what == "export":
        return _export(log)
    if what == "verify":
        return _verify(log, as_json=as_json, key=key, heads=heads)
    report = verify(log)
    if as_json:
        print(json.dumps(_plain(report)))
    else:
        for lane in report.lanes:
            _print_lane(lane, details=False)
        for problem in report.problems:
            print(problem)
    return 0


def export_key(folder: Path, to: Path) -> int:
    """The public half of the device's key, beside the log in `folder`, as a file of its own."""
    public = read_public(_log_in(folder).parent / PUBLIC_FILE)
    try:
        disk.replace_file(to, public.text().encode(), mode=0o644)
    except OSError as error:
        raise StoreError(str(to), f"cannot be written ({error.strerror})") from error
    print(f"{to}: key {public.id.hex()} of node {public.node}, site {public.site}")
    return 0


def _log_in(folder: Path) -> Path:
    log = folder / "log" if (folder / "log").is_dir() else folder
    if not log.is_dir():
        raise StoreError(str(folder), "there is no log here", "a data_dir or its log folder")
    return log


def _verify(log: Path, *, as_json: bool, key: Path | None, heads: Path | None) -> int:
    """The bytes, and what they say against the signed heads."""
    given = [] if heads is None else given_heads(heads)
    public = None if key is None else read_public(key)
    report, proof = verify(log), prove(log, public, given)
    ok = report.ok and proof.ok
    if as_json:
        told = _plain(report) | {"evidence": _plain_proof(proof, public), "ok": ok}
        print(json.dumps(told))
    else:
        for lane in report.lanes:
            _print_lane(lane, details=True)
        for problem in report.problems:
            print(problem)
        _print_proof(proof, public)
        print("intact" if ok else "NOT intact: see above")
    return 0 if ok else 1


def _print_proof(proof: Proof, public: PublicKey | None) -> None:
    """How far heads vouch for the log, and one line for each thing found."""
    if public is None:
        print("evidence: signatures are not checked without --key")
    else:
        print(f"evidence: by key {public.id.hex()} of node {public.node}, site {public.site}")
    for lane in proof.lanes:
        print(
            f"  lane {lane.lane}: {lane.heads} heads, up to seq {lane.up_to},"
            f" vouch for {lane.records} records"
        )
    for finding in proof.findings:
        print(f"  WRONG {finding.line()}")
    for note in proof.notes:
        print(f"  note  {note.line()}")


def _plain_proof(proof: Proof, public: PublicKey | None) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "key": None if public is None else public.id.hex(),
        "lanes": [asdict(lane) for lane in proof.lanes],
        "findings": [_plain_finding(each) for each in proof.findings],
        "notes": [_plain_finding(each) for each in proof.notes],
    }


def _plain_finding(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "lane": finding.lane,
        "first": finding.first,
        "last": finding.last,
        "told": finding.told,
    }


def _print_lane(lane: LaneReport, *, details: bool) -> None:
    lost = sum(loss.last - loss.first + 1 for loss in lane.losses)
    print(
        f"lane {lane.lane}: {lane.records} records in {lane.segments} segments, "
        f"seq {lane.first_seq} to {lane.next_seq - 1}, {lane.size_bytes} bytes, "
        f"{lost} declared lost"
    )
    if lane.removed.segments:
        quota = lane.removed.quota_bytes
        print(
            f"  before seq {lane.removed.kept_from}: removed to make room"
            f"{f' (quota {quota / 1e6:g} MB)' if quota else ''}; "
            f"{lane.removed.segments} segment files used again"
        )
    if details:
        for loss in lane.losses:
            print(f"  lost {loss.first} to {loss.last}: {loss.reason}")
        for problem in lane.problems:
            print(f"  {problem}")


def _export(log: Path) -> int:
    """Every record as one JSON object a line, lane by lane; what cannot be decoded is said so."""
    damaged = False
    for lane, item in export(log):
        if isinstance(item, Lost):
            shown: dict[str, Any] = {
                "lane": lane,
                "lost": [item.first, item.last],
                "reason": item.reason,
            }
            damaged = True
        else:
            try:
                shown = {
                    "lane": lane,
                    "seq": item.seq,
                    **({"exercise": True} if lane == wire.DRILLS else {}),
                    **entries.shown(cbor.loads(item.payload)),
                }
            except RecordError as error:
                shown = {"lane": lane, "seq": item.seq, "undecodable": str(error)}
                damaged = True
        print(json.dumps(shown, ensure_ascii=False))
    return 1 if damaged else 0


def _plain(report: Any) -> Any:
    from dataclasses import asdict

    return asdict(report) | {"ok": report.ok}
