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
from agent.errors import AgentError, SiteError

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
    for add in (_add_run, _add_demo, _add_check, _add_replay, _add_listen, _add_journal):
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


def _listen(chosen: argparse.Namespace) -> int:
    from agent import listen

    return listen.run(
        chosen.broker, chosen.consumer, chosen.state, as_json=chosen.json, ack=chosen.ack
    )


def _add_journal(verbs: Verbs) -> None:
    parser = _verb(
        verbs, "journal", _journal, "look into the log: stat, verify, export", "verify data/log"
    )
    parser.add_argument("what", choices=("stat", "verify", "export"), help="what to do")
    parser.add_argument("log", type=Path, metavar="DIR", help="data_dir, or the log folder in it")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def _journal(chosen: argparse.Namespace) -> int:
    from agent import logbook

    return logbook.run(chosen.what, chosen.log, as_json=chosen.json)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number of seconds above 0")
    return value
