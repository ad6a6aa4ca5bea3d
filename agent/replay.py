"""`ftu-agent replay`: the very same detection over recorded files, as fast as the machine can."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from agent import words
from agent.detect import settings as protection
from agent.detect.detector import Detector
from agent.errors import AgentError, RecordError, SiteError, UsageError
from agent.record_replay import again, cases, notes_of
from agent.records import Block, Event, event_json
from agent.sensors import channels, comtrade
from agent.site import Bay, SiteFile, load
from agent.traces import Case
from agent.wiring import taps

_LEAST_SAMPLES = 8  # in a cycle; the detector's filters refuse less
BLOCK = 512  # samples at once; detection does not depend on it

Show = Callable[[str, Event], None]
Tell = Callable[[str], None]
Blocks = Callable[[comtrade.Record, int], Iterable[Block]]
Draw = Callable[[Case, Sequence[Event]], None]


@dataclass(frozen=True, slots=True)
class Replay:
    """What records are held against.

    bay: of the site file; None: derived from each record's own values. settings: of that bay;
    None: its defaults. mapping: roles to channel names; None: derived from the record.
    """

    bay: Bay | None = None
    settings: protection.Settings | None = None
    mapping: Mapping[str, str] | None = None


def prepare(
    site_path: Path | None, settings_path: Path | None, bay_name: str | None, mapping: str | None
) -> Replay:
    """What the command line asks for. Raises: SiteError, UsageError."""
    stated = channels.parse_map(mapping) if mapping else None
    if site_path is None:
        if bay_name or settings_path:
            raise UsageError("replay", "--bay and --settings speak of a site file", "--site FILE")
        return Replay(mapping=stated)
    site = load(site_path, purpose="replay")
    bay = _chosen(site, bay_name, site_path)
    settings = protection.load(settings_path, site.bays)[bay.name] if settings_path else None
    return Replay(bay, settings, stated or _of_bay(bay))


def _chosen(site: SiteFile, name: str | None, path: Path) -> Bay:
    names = [bay.name for bay in site.bays]
    if name is None and len(names) > 1:
        raise UsageError(str(path), "has several bays", f"--bay, one of {', '.join(names)}")
    if name is not None and name not in names:
        raise UsageError("--bay", f"no bay {name!r} in {path}", f"one of {', '.join(names)}")
    return site.bays[names.index(name) if name else 0]


def _of_bay(bay: Bay) -> dict[str, str] | None:
    """The site's own mapping without its sensors: a record takes their place."""
    return {role: place.partition(".")[2] or place for role, place in bay.channels.items()} or None


def run(paths: list[Path], asked: Replay, show: Show, tell: Tell, draw: Draw | None = None) -> int:
    """Replay every record below `paths`: 0 when all could be, 1 when some could not.

    show: takes a record's stem and each of its events, in order; tell: takes one line about each
    thing that was left out or could not be read; draw: takes each record with all its events.
    """
    found = comtrade.find(paths)
    for line in (*found.findings, *found.notes):
        tell(line)
    failed = bool(found.findings) or not found.paths
    if not found.paths:
        tell("no COMTRADE record was found; expected .cfg files with their .dat, or .cff files")
    for path in found.paths:
        try:
            for case, told in _told(comtrade.read(path), asked, tell):
                seen = []
                for event in told:
                    show(path.stem, event)
                    seen.append(event)
                if draw is not None:
                    draw(case, seen)
        except AgentError as error:
            tell(str(error))
            failed = True
    return 1 if failed else 0


def _told(
    record: comtrade.Record, asked: Replay, tell: Tell
) -> Iterator[tuple[Case, Iterable[Event]]]:
    """The record with its events; one of a terminal's own, when nothing else is asked for, by the
    notes that it carries, bay by bay.
    """
    notes = notes_of(record) if asked == Replay() else None
    if notes is None:
        case = understood(record, asked, tell)
        yield case, decided(case, asked, tell)
        return
    tell(f"{record.stem}: bays, settings and state as the terminal noted them")
    seen = list(again(record, notes))
    for case in cases(record, notes):
        yield case, [event for event in seen if event.bay == case.bay.name]


def events(record: comtrade.Record, asked: Replay, tell: Tell = lambda _: None) -> Iterator[Event]:
    """Events of one record, in order of time. Raises: RecordError when no channel is usable."""
    yield from decided(understood(record, asked, tell), asked, tell)


def understood(record: comtrade.Record, asked: Replay, tell: Tell) -> Case:
    """The record with its bay and the channels of its roles; what is odd about it is told.

    Raises: RecordError when no channel is usable.
    """
    mapped = _mapped(record, asked.mapping)
    for line in (*record.findings, *mapped.findings):
        tell(f"{record.stem}: {line}")
    if not any(role in mapped.uses for role in ("ia", "ib", "ic", "i0", "ua", "ub", "uc")):
        raise RecordError(record.stem, "no channel could be mapped", "--channels ia=...,ua=...")
    bay = asked.bay or nominal_bay(_earliest(record), mapped.uses, tell)
    return _with_contact(Case(record, mapped.uses, bay))


def _with_contact(case: Case) -> Case:
    """Where a status channel tells the switch's position it becomes a channel like the others."""
    use = case.uses.get(channels.SWITCH)
    if use is None:
        return case
    own = channels.ChannelUse(use.role, len(case.record.layout.channels))
    return replace(
        case,
        record=case.record.with_contact(use.index),
        uses={**case.uses, use.role: own},
    )


def _earliest(record: comtrade.Record) -> comtrade.Record:
    """The first stretch that shows waves, where its rate changes: what it carried before all."""
    least_hz = _LEAST_SAMPLES * (record.nominal_hz or 50)
    fine = (s for s in record.stretches if float(s.layout.rate_hz or 0) >= least_hz)
    return next(fine, record)


def decided(
    case: Case, asked: Replay, tell: Tell, blocks: Blocks = comtrade.blocks
) -> Iterator[Event]:
    """What detection says of a record, stretch by stretch where its rate changes.

    blocks: cuts a stretch into blocks of up to so many samples; a drill also paces them.
    A fault that stands when the rate changes is found anew by the next stretch; it is told once.
    Raises: RecordError when no stretch has samples enough in a cycle.
    """
    standing: Event | None = None
    for stretch, detector in _detectors(case, asked.settings, tell):
        carried, settled_us = standing, stretch.begin_us + 2_000_000 // case.bay.frequency_hz
        for block in blocks(stretch, BLOCK):
            for event in detector.feed(block):
                if carried and event.t_us <= settled_us and _same_fault(event, carried):
                    tell(f"{stretch.stem}: the fault goes on where the rate changes; told once")
                    continue
                if event.event in ("fault", "fault_cleared"):
                    standing = event if event.event == "fault" else None
                yield event


def _same_fault(event: Event, before: Event) -> bool:
    return event.event == "fault" and event.kind == before.kind


def _detectors(
    case: Case, settings: protection.Settings | None, tell: Tell
) -> Iterator[tuple[comtrade.Record, Detector]]:
    """Each stretch and a detector for it, since the windows of detection are of one rate.

    The state of the supply goes over from one to the next. Raises: RecordError when there is none.
    """
    bay = case.bay
    detector: Detector | None = None
    for stretch in case.record.stretches:
        before = detector
        wired = (bay, settings or protection.defaults(bay), taps(stretch.layout, case.uses, bay))
        try:
            detector = Detector(stretch.layout, [wired])
        except ValueError as error:  # too few samples in a cycle
            tell(f"{stretch.stem}: the stretch of {_rate(stretch)} is left out: {error}")
            continue
        if before is not None:
            detector.resume_supply(before.supply(), stretch.begin_us)
        yield stretch, detector
    if detector is None:
        what = f"sampled at {', '.join(map(_rate, case.record.stretches))}"
        expected = f"at least {_LEAST_SAMPLES} samples in a cycle"
        raise RecordError(case.record.stem, what, expected)


def _rate(stretch: comtrade.Record) -> str:
    return f"{float(stretch.layout.rate_hz or 0):g} Hz"


def _mapped(record: comtrade.Record, wanted: Mapping[str, str] | None) -> channels.ChannelMap:
    """Of a stated mapping each role by itself: what this record lacks is told and left out."""
    if wanted is None:
        return channels.derive(record.layout, record.status_names)
    mapped = channels.ChannelMap({}, [])
    for role, name in wanted.items():
        try:
            found = channels.resolve({role: name}, record.layout, record.status_names, record.stem)
        except SiteError as error:
            mapped.findings.extend(error.findings)
        else:
            mapped = channels.ChannelMap({**mapped.uses, **found.uses}, mapped.findings)
    return mapped


def nominal_bay(
    record: comtrade.Record, uses: Mapping[str, channels.ChannelUse], tell: Tell
) -> Bay:
    """A bay for a record that comes without a site file.

    Nominal values follow from the header where it states transformers, else from the record's
    first two cycles: a feeder is taken to carry half its rating there. Both are told.
    """
    frequency = 60 if round(record.nominal_hz or 50) == 60 else 50
    volts = _first_rms(record, uses, ("ua", "ub", "uc"), frequency) * 3**0.5
    amps = _stated_rating(record, uses) or 2 * _first_rms(
        record, uses, ("ia", "ib", "ic"), frequency
    )
    bay = Bay(
        name="main",
        section="main",
        nominal_volts=max(volts, 1.0),
        frequency_hz=frequency,
        earthing="resonant",
        rating_amps=max(amps, 0.1),
    )
    tell(
        f"{record.stem}: no site file; taken as {bay.nominal_volts:.0f} V, "
        f"{bay.rating_amps:.4g} A rating, {frequency} Hz"
    )
    return bay


def _stated_rating(
    record: comtrade.Record, uses: Mapping[str, channels.ChannelUse]
) -> float | None:
    """Rating of the current transformer, on the side that the values are of, where it is stated."""
    for role in ("ia", "ib", "ic"):
        ratio = record.ratios[uses[role].index] if role in uses else None
        if ratio is not None and ratio.primary != ratio.secondary:
            return ratio.primary if ratio.side == "P" else ratio.secondary
    return None


def _first_rms(
    record: comtrade.Record,
    uses: Mapping[str, channels.ChannelUse],
    roles: tuple[str, ...],
    frequency: int,
) -> float:
    """Largest RMS of these roles over the record's first two cycles; 0 when there is none."""
    span = max(1, round(2 * float(record.layout.rate_hz or 0) / frequency))
    sizes = [0.0]
    for use in (uses[role] for role in roles if role in uses):
        counts = np.nan_to_num(record.counts[use.index, :span])
        scale = record.layout.channels[use.index].scale * use.factor
        sizes.append(float(np.sqrt(np.mean((counts - counts.mean()) ** 2))) * abs(scale))
    return max(sizes)


def show_json(stem: str, event: Event) -> None:
    """One JSON object a line, as contract.md section 3 has it."""
    print(json.dumps(event_json(event, record=stem)), flush=True)


def show_text(stem: str, event: Event) -> None:
    """One line that a person reads."""
    alarm = "ALARM " if event.alarm else "      "
    print(f"{stem}  {event.t_us / 1e6:10.4f} s  {alarm}{words.sentence(event)}", flush=True)
