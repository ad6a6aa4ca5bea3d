"""Every entrance by which bytes come from outside, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hil.fuzz import commands, handed, lines, stored, uplink, waves
from hil.fuzz.oracle import Entrance

CORPUS = Path(__file__).with_name("corpus")


@dataclass(frozen=True, slots=True)
class Target:
    """about: what is fed, in a line. entrance: takes it. examples: valid inputs to begin with."""

    about: str
    entrance: Entrance
    examples: Callable[[], Iterator[bytes]]


TARGETS: dict[str, Target] = {
    "cbor": Target("an item of CBOR", uplink.any_cbor, uplink.cbor_examples),
    "payload": Target("a payload of each rule", uplink.payload, uplink.payload_examples),
    "topic": Target("a topic", uplink.topic, uplink.topic_examples),
    "consumer": Target("a message to a consumer", uplink.consumer, uplink.envelopes),
    "node": Target("a message to a node", uplink.node, uplink.node_examples),
    "mqtt": Target("packets of a broker", uplink.packets, uplink.packet_examples),
    "command": Target("a command", commands.heard, commands.heard_examples),
    "parts": Target("parts of waveforms", waves.parts, waves.parts_examples),
    "packed": Target("a packed waveform", waves.packed, waves.packed_examples),
    "log": Target("a damaged file of the log", stored.log, stored.log_examples),
    "exported": Target("a copy of a log", stored.exported, stored.exported_examples),
    "cursors": Target("how far consumers came", stored.marks, stored.marks_examples),
    "marks": Target("a consumer's memory", stored.consumer_marks, stored.consumer_marks_examples),
    "documents": Target("the settings' store", stored.documents, stored.documents_examples),
    "comtrade": Target("a record", handed.comtrade_pair, handed.comtrade_pair_examples),
    "cff": Target("a record in one file", handed.comtrade_single, handed.comtrade_single_examples),
    "notes": Target("notes beside a record", handed.record_inf, handed.record_inf_examples),
    "site": Target("a site file", handed.site_file, handed.site_examples),
    "settings": Target("a setting sheet", handed.settings, handed.settings_examples),
    "order": Target("a drill's order", handed.order, handed.order_examples),
    "profile": Target("a register map", handed.meter_profile, handed.meter_profile_examples),
    "heads": Target("heads that were kept", handed.kept_heads, handed.kept_heads_examples),
    "modbus": Target("a meter's answer", lines.modbus, lines.modbus_examples),
    "digitiser": Target("a digitiser's line", lines.digitiser, lines.digitiser_examples),
    "live": Target("a datagram from guard", lines.live, lines.live_examples),
}


def kept(name: str) -> list[bytes]:
    """The inputs that were found and are kept."""
    return [path.read_bytes() for path in sorted((CORPUS / name).glob("*"))]
