"""Files that people and devices hand over: records, site files, settings, orders, profiles."""

from __future__ import annotations

import contextlib
import functools
import io
import json
from collections.abc import Iterator
from pathlib import Path

from agent import drill_order, record_notes, setting_book, site
from agent.errors import SiteError
from agent.sensors import comtrade, comtrade_record, profile
from agent.store import cbor, chain, entries, entry
from agent.store.evidence import entry_head, given_heads
from hil.fuzz.oracle import Defect, same, shown
from hil.fuzz.stored import folder

_SPLIT = b"\n--- samples ---\n"
_CFG = b"""station,device,1999
2,1A,1D
1,IA,A,,A,0.1,0,0,-32767,32767,1,1,P
1,S,,,0
50
1
1000,4
01/01/2026,00:00:00.000000
01/01/2026,00:00:00.000000
ASCII
1
"""
_DAT = b"1,0,10,0\n2,1000,-20,0\n3,2000,30,1\n4,3000,-40,1\n"


def comtrade_pair(data: bytes) -> None:
    """A header and its samples, divided by a line."""
    cfg, _, dat = data.partition(_SPLIT)
    _used(comtrade_record.parse(cfg, dat, "x.cfg", "x.dat"))


def comtrade_pair_examples() -> Iterator[bytes]:
    """The four encodings."""
    yield _CFG + _SPLIT + _DAT
    row = bytes(4) + bytes(4) + b"\x01\x00" + b"\x00\x00"
    yield _CFG.replace(b"ASCII", b"BINARY") + _SPLIT + 4 * row
    wide = bytes(8) + b"\x01\x00\x00\x00" + b"\x00\x00"
    for encoding in (b"BINARY32", b"FLOAT32"):
        cfg = _CFG.replace(b"1999", b"2013").replace(b"ASCII", encoding) + b"0,0\nB,3\n"
        yield cfg + _SPLIT + 4 * wide


def comtrade_single(data: bytes) -> None:
    """A .cff."""
    _used(comtrade_record.parse_single(data, "x.cff"))


def comtrade_single_examples() -> Iterator[bytes]:
    """Text and binary."""
    cfg = b"--- file type: CFG ---\n" + _CFG.replace(b"1999", b"2013") + b"0,0\nB,3\n"
    yield cfg + b"--- file type: DAT ASCII ---\n" + _DAT
    row = bytes(8) + b"\x01\x00" + b"\x00\x00"
    cfg = cfg.replace(b"ASCII", b"BINARY")
    yield cfg + b"--- file type: INF ---\n\n--- file type: DAT BINARY: 48 ---\n" + 4 * row


def _used(record: comtrade_record.Record) -> None:
    """As replay uses it: what is odd about it is told, and blocks are cut."""
    for line in (*record.findings, *(channel.name for channel in record.layout.channels)):
        shown(line)
    for stretch in record.stretches:
        for _ in comtrade.blocks(stretch, comtrade.quarter_cycle(stretch)):
            pass


def record_inf(data: bytes) -> None:
    """The information file beside a record of our own."""
    notes = record_notes.read(data.decode("utf-8", "replace"), "x.inf")
    if notes is not None and not notes.wired:
        again = record_notes.read("\n".join(record_notes.write(notes)), "x.inf")
        same(str(again), str(notes), "written and read again")


_NOTES = b"""[ftu-agent Record #1]
version=1
stamp={"boot":1,"mono_us":5000000,"utc_us":1700000000000000,"source":2,"error_us":900}
layout={"sensor":"wire","rate":[4000,1],"channels":[["ia","A",0.1,0.0,"A"]]}
mark={"index":0,"frequency_mhz":50000,"estimate_mhz":null,"supply":[[null,0,1]],"learned":[]}
axis=[[0,0]]
breaks=[7]
cut=false
event_1={"seq":3,"event":"fault","bay":"head","t_us":1,"currents":[1.5,null,null]}
bay_1={"bay":{"name":"head","section":"s1","nominal_volts":10000.0,"frequency_hz":50,
"""


def record_inf_examples() -> Iterator[bytes]:
    """A section of others, and one as the recorder writes it."""
    yield b"[other]\nkey=value\n"
    yield _NOTES.rpartition(b"bay_1")[0]
    yield _NOTES.rstrip() + b'"earthing":"resonant","rating_amps":400.0},"settings":{},"taps":{}}\n'


_SITE_TEXT = b"""[site]
name = "site"
[device]
id = "node"
data_dir = "data"
[[sensor]]
name = "wire"
driver = "simulated"
[[bay]]
name = "head"
section = "s1"
nominal_volts = 10000
frequency_hz = 50
earthing = "resonant"
rating_amps = 400
ct_ratio = "600/5"
channels = { ia = "wire.ia", ib = "wire.ib", ic = "wire.ic" }
[uplink]
broker = "mqtt://localhost"
[store]
"""


def site_file(data: bytes) -> None:
    """A site file, for each purpose."""
    path = folder() / "any-site.toml"
    path.write_bytes(data)
    with contextlib.suppress(SiteError):
        site.load(path, "replay")
    site.load(path, "run")


def site_examples() -> Iterator[bytes]:
    """One for run, one for replay, and those that the project shows."""
    yield _SITE_TEXT
    yield _SITE_TEXT[_SITE_TEXT.index(b"[[bay]]") : _SITE_TEXT.index(b"[uplink]")]
    for path in sorted((Path(__file__).parents[2] / "examples").glob("*.toml")):
        yield path.read_bytes()


def settings(data: bytes) -> None:
    """A setting sheet, linted as `settings lint` does."""
    sheet = folder() / "sheet.toml"
    sheet.write_bytes(data)
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        setting_book.lint(_settled(), sheet)
    for line in out.getvalue().split("\n"):
        shown(line)


@functools.cache
def _settled() -> Path:
    path = folder() / "site.toml"
    path.write_bytes(_SITE_TEXT)
    return path


def settings_examples() -> Iterator[bytes]:
    """Keys of several kinds."""
    yield b"# version = 3\n# author = me\n[head]\nphase_pickup_amps = 600.0\n"
    yield b'[head]\nphase_curve = "iec_standard_inverse"\nphase_time_multiplier = 0.1\n'


def order(data: bytes) -> None:
    """A drill's script."""
    place = folder() / "drill"
    place.mkdir(exist_ok=True)
    for name in (drill_order.RECORD, "record.dat"):  # it only has to be there
        (place / name).touch()
    (place / drill_order.SCRIPT).write_bytes(data)
    drill_order.read(place).started()


def order_examples() -> Iterator[bytes]:
    """One with everything."""
    yield b"""id = "D-2026-04"
title = "earth fault"
bay = "head"
ends_after_s = 900
[channels]
ia = "IA"
[[step]]
name = "isolate"
due_s = 300
role = "crew-lead"
[[expect]]
bay = "head"
event = "fault"
kind = "AG"
"""


def meter_profile(data: bytes) -> None:
    """A register map."""
    path = folder() / "profile.toml"
    path.write_bytes(data)
    profile.load(str(path)).channels()


def meter_profile_examples() -> Iterator[bytes]:
    """The smallest, and those that ship."""
    yield b'source = "s"\n[[point]]\nname = "ia"\naddress = 0\ntype = "u16"\nunit = "A"\n'
    for path in sorted(Path(profile.__file__).with_name("profiles").glob("*.toml")):
        yield path.read_bytes()[:2000]


def kept_heads(data: bytes) -> None:
    """Heads that somebody has kept, for `journal verify --head`: each stays what it was."""
    path = folder() / "heads.jsonl"
    path.write_bytes(data)
    for given in given_heads(path):
        entry.check(given.head.logged)
        signed = chain.signed_bytes("site", "node", 7, given.head)
        again = entry_head(cbor.loads(cbor.dumps(given.head.logged)))
        if again is None:
            raise Defect(f"no head any more: {given.head.logged!r:.300}")
        same(chain.signed_bytes("site", "node", 7, again), signed, "what is signed")


def kept_heads_examples() -> Iterator[bytes]:
    """As `listen --json` and as `journal export` print one, among other lines."""
    at = (3, 5_000_000, 1_700_000_000_000_000, 2, 1024)
    values = {"of_lane": "a", "of_seq": 9, "chain": bytes(32), "signer": bytes(8)}
    lost = [4, 5, "quota"]
    more = {"signature": bytes(64), "after_seq": 2, "lowest_seq": 1, "lost": lost}
    logged = entry.compose(entry.HEAD, at, {**values, **more})
    told = entries.delivered_json(logged, entries.Key("node", 7, "s", 12))
    kept, exported = json.dumps(told), json.dumps({"lane": "s", **entries.shown(logged)})
    yield f'{kept}\n\n{{"event": "fault"}}\n'.encode()
    yield exported.encode()
