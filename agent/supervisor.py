"""Keeps guard and link alive, and nothing else: started once, imports almost nothing.

guard is restarted at once and finds until when its predecessor had decided, so that it can say how
long the terminal was blind. link comes back with a growing delay, since a link that fails
must not eat the processor of a guard that works. A process whose heart stops is killed. Under
systemd the watchdog is answered only while guard decides.

    python -m agent.supervisor SITE_FILE DATA_DIR
"""

from __future__ import annotations

import math
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path

from agent import boot, standard_error

WORD_BYTES = 8  # in which guard says until when it has decided (heartbeat.py)
# A process that has not moved for this long is stuck: a hundred times its longest honest pause.
STUCK_S = 10.0
# A new process has this long for its imports, recovery of the log and first connection.
STARTING_S = 30.0
# contract.md: run ends within 5 s of SIGTERM; one second is kept for the supervisor itself.
GOODBYE_S = 4.0
LINK_DELAY_S = (0.2, 30.0)  # first and longest wait before link is started again
# A guard that ends so often without a single heartbeat cannot work here: the log is another's, or
# the disk refuses us. A predecessor that is just dying lets go of the log within a second.
HOPELESS_STARTS = 6
LOOK_PERIOD_S = 1.0


class Child:
    """One of the two processes, with the pipe on which its heart beats, and a word of memory that
    it hands on to the next one.
    """

    def __init__(self, role: str, arguments: list[str]) -> None:
        self.role = role
        self.arguments = arguments
        self.pid = 0
        self.pipe = -1
        self.word = os.memfd_create(f"ftu-agent {role}")
        os.ftruncate(self.word, WORD_BYTES)
        self.beat_at = 0.0
        self.beaten = False
        self.started_at = 0.0
        self.again_at = 0.0
        self.failures = 0
        self.ever_beaten = False

    def start(self, now: float) -> None:
        """Spawn it with the writing end of a fresh heartbeat pipe."""
        reading, writing = os.pipe()
        os.set_inheritable(writing, True)
        os.set_inheritable(self.word, True)
        command = [sys.executable, "-m", "agent.app", self.role, *self.arguments]
        command += [str(writing), str(self.word)]
        self.pid = os.posix_spawn(sys.executable, command, os.environ)
        os.set_inheritable(self.word, False)
        os.close(writing)
        os.set_blocking(reading, False)
        self.pipe = reading
        self.started_at = self.beat_at = now
        self.beaten = False
        say(f"{self.role} started (process {self.pid})")

    def listen(self, now: float) -> None:
        """Take the heartbeats that have come."""
        try:
            beats = os.read(self.pipe, 4096)
        except BlockingIOError:
            return
        if beats:
            self.beat_at = now
            self.beaten = self.ever_beaten = True

    def stuck(self, now: float) -> bool:
        """True when it is alive by name only."""
        patience = STUCK_S if self.beaten else STARTING_S
        return self.pid != 0 and now - self.beat_at > patience

    def buried(self, now: float, status: int) -> None:
        """It has ended: note when it may start again."""
        say(f"{self.role} ended ({_cause(status)})")
        os.close(self.pipe)
        self.pid, self.pipe = 0, -1
        lived_well = now - self.started_at > 60
        self.failures = 1 if lived_well else self.failures + 1
        self.again_at = now
        if self.role == "link":
            first, longest = LINK_DELAY_S
            self.again_at += min(first * 2 ** (self.failures - 1), longest)
        elif self.failures > 3:  # a guard that cannot even start must not spin
            self.again_at += 0.5

    def hopeless(self) -> bool:
        """True when it has never come to life, however often it was started."""
        return not self.ever_beaten and self.failures >= HOPELESS_STARTS

    def signal(self, number: int) -> None:
        """Send it a signal, if it lives."""
        if self.pid:
            os.kill(self.pid, number)


def main(arguments: list[str]) -> int:
    """Run until SIGTERM or SIGINT; 1 when a child did not say goodbye in time, 2 when guard cannot
    start at all, else 0.
    """
    site, data_dir = arguments
    boot_number = str(boot.counter(Path(data_dir), say))
    children = [Child("guard", [site, boot_number]), Child("link", [site, boot_number])]
    wake = _signals()
    _tell_systemd("READY=1")
    while not wake.asked:
        now = time.monotonic()
        for child in children:
            if not child.pid and now >= child.again_at:
                child.start(now)
            if child.stuck(now):
                say(f"{child.role} is stuck: killed")
                child.signal(signal.SIGKILL)
        _wait(children, wake, timeout_s=_pause_s(children))
        _bury(children)
        if children[0].hopeless():
            say("guard cannot start here; its reason stands above")
            _goodbye(children)
            return 2
    _tell_systemd("STOPPING=1")
    return _goodbye(children)


class Wake:
    """The signals' way into select: a pipe, so that no wait is ever raced."""

    def __init__(self) -> None:
        self.asked = False
        self.reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)

    def on_signal(self, number: int, _frame: object) -> None:
        """Note that the end was asked for."""
        self.asked = self.asked or number in (signal.SIGTERM, signal.SIGINT)


def _signals() -> Wake:
    wake = Wake()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, wake.on_signal)
    return wake


def _pause_s(children: list[Child]) -> float:
    """Until somebody has to be started, or looked after."""
    due_at = min([child.again_at for child in children if not child.pid], default=math.inf)
    return min(max(0.0, due_at - time.monotonic()), LOOK_PERIOD_S)


def _wait(children: list[Child], wake: Wake, timeout_s: float) -> None:
    pipes = {child.pipe: child for child in children if child.pipe >= 0}
    ready, _, _ = select.select([wake.reading, *pipes], [], [], timeout_s)
    now = time.monotonic()
    for number in ready:
        if number == wake.reading:
            os.read(wake.reading, 4096)
        else:
            pipes[number].listen(now)
            if pipes[number].role == "guard":
                _tell_systemd("WATCHDOG=1")


def _bury(children: list[Child]) -> None:
    for child in children:
        if child.pid:
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                child.listen(time.monotonic())
                child.buried(time.monotonic(), status)


def _goodbye(children: list[Child]) -> int:
    for child in children:
        child.signal(signal.SIGTERM)
    deadline = time.monotonic() + GOODBYE_S
    while any(child.pid for child in children) and time.monotonic() < deadline:
        time.sleep(0.02)
        _bury(children)
    late = [child for child in children if child.pid]
    for child in late:
        say(f"{child.role} did not end in time: killed")
        child.signal(signal.SIGKILL)
        os.waitpid(child.pid, 0)
    return 1 if late else 0


def _cause(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"signal {os.WTERMSIG(status)}"
    return f"status {os.WEXITSTATUS(status)}"


def _tell_systemd(state: str) -> None:
    """One line to systemd's notification socket, where there is one (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
        try:
            notify.sendto(state.encode(), address)
        except OSError as error:
            say(f"systemd cannot be told {state} ({error.strerror})")


def say(line: str) -> None:
    """One line of log to standard error; the journal of the system stamps it."""
    sys.stderr.write(f"ftu-agent supervisor: {line}\n")


if __name__ == "__main__":
    standard_error.make_unfailing()
    sys.exit(main(sys.argv[1:]))
