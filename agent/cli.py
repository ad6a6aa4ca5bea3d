"""The command `ftu-agent`: words to calls. Each verb imports only what it needs.

Exit status: 0 done, 1 it ran and found something wrong, 2 wrong use or bad input. An error is one
line on stderr; a traceback is a defect.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agent import __version__
from agent.errors import AgentError, SiteError, UsageError

DONE, FOUND, WRONG_USE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; its exit status."""
    parser = _parser()
    try:
        chosen = parser.parse_args(arguments)
    except SystemExit as ended:  # argparse has said why
        return int(ended.code or 0)
    try:
        return int(chosen.verb(chosen))
    except SiteError as error:
        for finding in error.findings:
            _complain(finding)
        return WRONG_USE
    except AgentError as error:
        _complain(str(error))
        return WRONG_USE
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # `ftu-agent replay ... | head`
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE


def _complain(line: str) -> None:
    sys.stderr.write(f"ftu-agent: {line}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ftu-agent",
        description="A feeder terminal: sees the fault, keeps the truth through any outage of its"
        " link, tells the people who restore the supply.",
        epilog="Exit status: 0 done, 1 it ran and found something wrong, 2 wrong use or bad input.",
    )
    parser.add_argument("--version", action="version", version=f"ftu-agent {__version__}")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    for add in (
        _add_run,
        _add_demo,
        _add_check,
        _add_replay,
        _add_listen,
        _add_ingest,
        _add_journal,
        _add_record,
        _add_settings,
    ):
        add(verbs)
    return parser


if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001  argparse has no other name


def _verb(
    verbs: Verbs, name: str, run: Callable[[argparse.Namespace], int], help_text: str, example: str
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(
        name,
        help=help_text,
        description=help_text[0].upper() + help_text[1:] + ".",
        epilog=f"Example: ftu-agent {name} {example}",
    )
    parser.set_defaults(verb=run)
    return parser


def _add_run(verbs: Verbs) -> None:
    parser = _verb(
        verbs, "run", _run, "the agent, until SIGTERM or Ctrl-C", "--site examples/feeder.toml"
    )
    parser.add_argument("--site", required=True, type=Path, metavar="FILE", help="the site file")


def _run(chosen: argparse.Namespace) -> int:
    from agent import app, site

    wired = site.load(chosen.site, purpose="run")
    app.check(wired, chosen.site)
    data_dir = wired.device.data_dir
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SiteError(
            str(chosen.site), (f"[device] data_dir = {data_dir}: {error.strerror}",)
        ) from error
    # The supervisor runs for years and needs nothing of what was imported here.
    command = [sys.executable, "-m", "agent.supervisor", str(chosen.site), str(data_dir)]
    sys.stdout.flush()
    os.execv(sys.executable, command)


def _add_demo(verbs: Verbs) -> None:
    parser = _verb(
        verbs,
        "demo",
        _demo,
        "broker, simulated feeder, the real agent and a listening consumer, all in one",
        "--seconds 20",
    )
    parser.add_argument(
        "--seconds", type=_positive, metavar="N", help="end by itself after N seconds"
    )
    parser.add_argument(
        "--no-page", action="store_true", help="without the local page (which comes with part I)"
    )


def _demo(chosen: argparse.Namespace) -> int:
    from agent import demo

    return demo.run(chosen.seconds)


def _add_check(verbs: Verbs) -> None:
    parser = _verb(
        verbs,
        "check",
        _check,
        "validate a site file; all findings at once",
        "--site examples/feeder.toml",
    )
    parser.add_argument("--site", required=True, type=Path, metavar="FILE", help="the site file")


def _check(chosen: argparse.Namespace) -> int:
    from agent import app, site

    try:
        wired = site.load(chosen.site, purpose="check")
        app.check(wired, chosen.site)
        app.check_settings(wired)
    except SiteError as error:
        for finding in error.findings:
            print(finding)
        return FOUND
    print(f"{chosen.site}: {len(wired.bays)} bays, {len(wired.sensors)} sensors, nothing wrong")
    return DONE


def _add_replay(verbs: Verbs) -> None:
    parser = _verb(
        verbs,
        "replay",
        _replay,
        "the same detection over recorded COMTRADE files or folders of them",
        "records/ --site examples/feeder.toml --json",
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="files or folders")
    parser.add_argument("--site", type=Path, metavar="FILE", help="site file with the bay's rating")
    parser.add_argument("--settings", type=Path, metavar="FILE", help="protection settings (TOML)")
    parser.add_argument("--bay", metavar="NAME", help="the bay, where the site file has several")
    parser.add_argument(
        "--channels", metavar="MAP", help="e.g. ia=IA,ib=IB,ic=IC,i0=3I0,ua=UA,ub=UB,uc=UC,u0=U0"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument(
        "--plot", type=Path, metavar="DIR", help="a picture of each record, DIR/STEM.png"
    )


def _replay(chosen: argparse.Namespace) -> int:
    from agent import plot, replay

    def tell(line: str) -> None:
        _complain(line)

    show = replay.show_json if chosen.json else replay.show_text
    prepared = replay.prepare(chosen.site, chosen.settings, chosen.bay, chosen.channels)
    draw = plot.into(chosen.plot) if chosen.plot else None
    return replay.run(chosen.paths, prepared, show, tell, draw)


def _add_listen(verbs: Verbs) -> None:
    parser = _verb(
        verbs,
        "listen",
        _listen,
        "reference consumer: every uplink of every terminal, decoded",
        "--broker mqtt://127.0.0.1 --state marks.cbor --ack",
    )
    parser.add_argument("--broker", required=True, metavar="URL", help="mqtt://HOST[:PORT]")
    parser.add_argument("--consumer", default="scada", metavar="NAME", help="default: scada")
    parser.add_argument(
        "--state", type=Path, metavar="FILE", help="marks kept, so that each key comes once"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--ack", action="store_true", help="acknowledge what was printed")
    parser.add_argument(
        "--waveforms", type=Path, metavar="DIR", help="waveform records as COMTRADE, SITE/NODE/NAME"
    )


def _listen(chosen: argparse.Namespace) -> int:
    from agent import listen

    return listen.run(
        chosen.broker,
        chosen.consumer,
        chosen.state,
        as_json=chosen.json,
        ack=chosen.ack,
        waveforms=chosen.waveforms,
    )


def _add_ingest(verbs: Verbs) -> None:
    parser = _verb(
        verbs,
        "ingest",
        _ingest,
        "reference ingester: every record into SQLite or PostgreSQL, then acknowledged",
        "--broker mqtt://127.0.0.1 --database sqlite:///ftu.db",
    )
    parser.add_argument("--broker", metavar="URL", help="mqtt://HOST[:PORT]")
    parser.add_argument(
        "--database",
        required=True,
        metavar="URL",
        help="sqlite:///FILE or postgresql://USER@HOST/NAME",
    )
    parser.add_argument(
        "--workers",
        type=_processes,
        default=1,
        metavar="N",
        help="processes that share the records",
    )
    parser.add_argument("--consumer", default="scada", metavar="NAME", help="default: scada")
    parser.add_argument(
        "--metrics",
        type=Path,
        metavar="FILE",
        help="what was found about the evidence, for Prometheus",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="instead: is every seq of every lane there, or declared lost? Status 1 where not",
    )


def _ingest(chosen: argparse.Namespace) -> int:
    from agent import ingest

    if chosen.check:
        return ingest.run_check(chosen.database)
    if chosen.broker is None:
        raise UsageError("ingest", "no --broker", "mqtt://HOST[:PORT], or --check")
    consumer, workers, metrics = chosen.consumer, chosen.workers, chosen.metrics
    return ingest.run(chosen.broker, chosen.database, consumer, workers, metrics)


def _add_journal(verbs: Verbs) -> None:
    parser = _verb(
        verbs, "journal", _journal, "look into the log: stat, verify, export", "verify data/log"
    )
    parser.add_argument(
        "what",
        choices=("stat", "verify", "export"),
        help="stat: what each lane holds, has lost and has removed to make room; verify: also every"
        " lost range and whatever is wrong; export: every record as JSON",
    )
    parser.add_argument("log", type=Path, metavar="DIR", help="data_dir, or the log folder in it")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument(
        "--key",
        type=Path,
        metavar="FILE",
        help="verify: the device's public key, against which the signed heads are checked;"
        " export: write that key to FILE, and nothing else",
    )
    parser.add_argument(
        "--head",
        type=Path,
        metavar="FILE",
        help="verify: heads that a consumer has kept, as `listen --json` prints them: also a log"
        " that was cut off behind one of its own heads is found then",
    )


def _journal(chosen: argparse.Namespace) -> int:
    from agent import logbook

    if chosen.head and chosen.what != "verify":
        raise UsageError("journal", f"--head with {chosen.what}", "verify")
    if chosen.key and chosen.what == "stat":
        raise UsageError("journal", "--key with stat", "verify or export")
    if chosen.key and chosen.what == "export":
        return logbook.export_key(chosen.log, chosen.key)
    return logbook.run(
        chosen.what, chosen.log, as_json=chosen.json, key=chosen.key, heads=chosen.head
    )


def _add_record(verbs: Verbs) -> None:
    parser = _verb(
        verbs,
        "record",
        _record,
        "the waveform records of faults: list, show, export, plot",
        "plot 17 --site examples/feeder.toml",
    )
    words = parser.add_subparsers(metavar="WORD", required=True, dest="word")

    def word(name: str, help_text: str, example: str) -> argparse.ArgumentParser:
        added = words.add_parser(
            name,
            help=help_text,
            description=help_text[0].upper() + help_text[1:] + ".",
            epilog=f"Example: ftu-agent record {name} {example}--site examples/feeder.toml",
        )
        added.add_argument("--site", required=True, type=Path, metavar="FILE", help="the site file")
        return added

    def one(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("id", metavar="ID", help="a record's name, or its number alone")

    listed = word("list", "every record: when, bay, kind, direction, alarm, size", "")
    listed.add_argument("--json", action="store_true", help="one JSON object a line")
    shown = word("show", "what a record tells: each event with its why", "17 ")
    one(shown)
    shown.add_argument("--json", action="store_true", help="one JSON object a line")
    export = word("export", "a record as COMTRADE for other tools", "17 --as 1999 --to out ")
    one(export)
    export.add_argument(
        "--as",
        dest="revision",
        choices=("1999", "2013"),
        default="2013",
        help="1999: .cfg, .dat, .inf and .hdr; 2013: one .cff, with the clock's state; else 2013",
    )
    export.add_argument(
        "--to", type=Path, default=Path(), metavar="DIR", help="where to; else here"
    )
    plot = word("plot", "a record as a picture in the terminal, and as PNG", "17 --to out ")
    one(plot)
    plot.add_argument("--to", type=Path, metavar="DIR", help="also a PNG, DIR/NAME.png")
    plot.add_argument(
        "--width", type=_width, default=80, metavar="N", help="characters of a line; else 80"
    )


def _record(chosen: argparse.Namespace) -> int:
    from agent import record_book as book

    site = chosen.site
    calls: dict[str, Callable[[], int]] = {
        "list": lambda: book.show_list(site, as_json=chosen.json),
        "show": lambda: book.show(site, chosen.id, as_json=chosen.json),
        "export": lambda: book.export(site, chosen.id, int(chosen.revision), chosen.to),
        "plot": lambda: book.plot(site, chosen.id, chosen.to, chosen.width),
    }
    return calls[chosen.word]()


def _add_settings(verbs: Verbs) -> None:
    parser = _verb(
        verbs,
        "settings",
        _settings,
        "the protection settings: every version, by whom and why",
        "commit sheet.toml --author ops-2 --reason 'study 14' --site examples/feeder.toml",
    )
    words = parser.add_subparsers(metavar="WORD", required=True, dest="word")

    def word(name: str, help_text: str) -> argparse.ArgumentParser:
        added = words.add_parser(
            name, help=help_text, description=help_text[0].upper() + help_text[1:]
        )
        added.add_argument("--site", required=True, type=Path, metavar="FILE", help="the site file")
        return added

    _add_looking(word)
    _add_changing(word)
    # Promised by name; not listed.
    words.add_parser("confirm", add_help=False, prefix_chars="\0").add_argument("_", nargs="*")


Word = Callable[[str, str], argparse.ArgumentParser]


def _add_looking(word: Word) -> None:
    show = word("show", "each key, its value, where that comes from; the versions that are kept")
    show.add_argument("--bay", metavar="NAME", help="only this bay")
    show.add_argument("--json", action="store_true", help="one JSON object")
    show.add_argument("--defaults", action="store_true", help="as if there were no version")
    lint = word("lint", "everything that is wrong with a sheet, at once")
    _sheet(lint)
    trial = word("try", "which verdicts on stored records a sheet would change; status 1: some")
    _sheet(trial)
    trial.epilog = "Example: ftu-agent settings try sheet.toml more/ --site examples/feeder.toml"
    trial.add_argument(
        "records",
        nargs="*",
        type=Path,
        metavar="PATH",
        help="more records, files or folders, besides those of the terminal",
    )
    trial.add_argument("--bay", metavar="NAME", help="the bay that other devices' records are of")
    shadow = word("shadow", "settings that run beside those in force and tell where they differ")
    shadow.add_argument("what", metavar="FILE|off|show", help="a setting sheet (TOML), off or show")
    _by_whom(shadow, required=False)
    shadow.epilog = (
        "Example: ftu-agent settings shadow sheet.toml --author ops-2 --reason 'study 14' --site"
        " examples/feeder.toml"
    )
    diff = word("diff", "what changes from one to the other; status 1 when anything does")
    what = "a version's number, `active`, `defaults`, or a file; else"
    for name, letter, default in (("before", "A", "defaults"), ("after", "B", "active")):
        diff.add_argument(
            name, nargs="?", default=default, metavar=letter, help=f"{what} `{default}`"
        )
    export = word("export", "a version as a sheet that can be edited and committed")
    _version(export, "else the active one")
    export.add_argument("--output", type=Path, metavar="FILE", help="else standard output")


def _add_changing(word: Word) -> None:
    commit = word("commit", "a sheet as the next version; a running guard takes it within a second")
    _sheet(commit)
    _by_whom(commit, required=True)
    commit.add_argument(
        "--from",
        type=_count,
        dest="made_from",
        metavar="NUMBER",
        help="version it was made from, else the one that its head names, else the active one;"
        " refused when another rules by now",
    )
    rollback = word("rollback", "a new version that states what an older one did")
    _version(rollback, "0 = the defaults; without it what the active one was made from")
    _by_whom(rollback, required=True)
    bring = word("import", "an exported sheet, its hash checked, as the next version")
    _sheet(bring)
    _by_whom(bring, required=False)


def _sheet(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a setting sheet (TOML)")


def _version(parser: argparse.ArgumentParser, help_text: str) -> None:
    parser.add_argument("number", nargs="?", type=_count, metavar="VERSION", help=help_text)


def _by_whom(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument(
        "--author",
        required=required,
        metavar="NAME",
        help="a token or role (letters, digits, _ and -, 32 at most), never a person's name:"
        " nothing personal is kept on the device",
    )
    parser.add_argument("--reason", required=required, metavar="TEXT", help="why, in one line")


def _settings(chosen: argparse.Namespace) -> int:
    if chosen.word == "confirm":
        raise UsageError("settings", "`confirm` comes with a later part", "commit, rollback")
    from agent import setting_book as book

    site = chosen.site
    if chosen.word == "try":
        from agent import setting_try

        return setting_try.run(site, chosen.file, chosen.records, chosen.bay)
    if chosen.word == "shadow":
        from agent import setting_shadow

        return setting_shadow.run(site, chosen.what, chosen.author, chosen.reason)
    calls: dict[str, Callable[[], int]] = {
        "show": lambda: book.show(site, chosen.bay, as_json=chosen.json, defaults=chosen.defaults),
        "lint": lambda: book.lint(site, chosen.file),
        "diff": lambda: book.diff(site, chosen.before, chosen.after),
        "commit": lambda: book.commit(
            site, chosen.file, chosen.author, chosen.reason, chosen.made_from
        ),
        "rollback": lambda: book.rollback(site, chosen.number, chosen.author, chosen.reason),
        "export": lambda: book.export(site, chosen.number, chosen.output),
        "import": lambda: book.import_sheet(site, chosen.file, chosen.author, chosen.reason),
    }
    return calls[chosen.word]()


def _count(text: str) -> int:
    if not (text.isdecimal() and text.isascii() and len(text) < 10):
        raise argparse.ArgumentTypeError(f"{text!r}: expected the number of a version")
    return int(text)


def _processes(text: str) -> int:
    if not (text.isdecimal() and text.isascii() and len(text) < 10):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number of processes")
    return int(text)


def _width(text: str) -> int:
    if not (text.isdecimal() and text.isascii() and 40 <= int(text[:5]) <= 1000):
        raise argparse.ArgumentTypeError(f"{text!r}: expected 40 to 1000 characters")
    return int(text)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number of seconds above 0")
    return value
