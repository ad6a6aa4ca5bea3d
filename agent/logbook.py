"""`ftu-agent journal`: look into the log without touching it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from agent.errors import RecordError, StoreError
from agent.store import cbor, entries
from agent.store.journal import LaneReport, Lost, export, verify
from agent.uplink import wire


def run(what: str, folder: Path, *, as_json: bool) -> int:
    """`stat`, `verify` or `export` of the log in `folder`; 1 when something is wrong with it."""
    log = folder / "log" if (folder / "log").is_dir() else folder
    if not log.is_dir():
        raise StoreError(str(folder), "there is no log here", "a data_dir or its log folder")
    if what == "export":
        return _export(log)
    report = verify(log)
    if as_json:
        print(json.dumps(_plain(report)))
    else:
        for lane in report.lanes:
            _print_lane(lane, details=what == "verify")
        for problem in report.problems:
            print(problem)
        if what == "verify":
            print("intact" if report.ok else "NOT intact: see above")
    return 0 if what == "stat" or report.ok else 1


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
