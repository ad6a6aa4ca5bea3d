"""A serial port, opened: eight bits, raw, no flow control, exclusively ours.

What is said over it is the drivers' business: meters in modbus_line.py, digitisers in
serial_reader.py.
"""

from __future__ import annotations

import fcntl
import os
import termios

PARITIES = {"none": 0, "even": termios.PARENB, "odd": termios.PARENB | termios.PARODD}


def open_port(device: str, baud: int, parity: str = "none", stop_bits: int = 1) -> int:
    """The port's descriptor, which never blocks; what came before is forgotten. Raises: OSError."""
    port = os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        configure(port, baud, parity, stop_bits)
    except (termios.error, OSError) as error:
        os.close(port)
        raise OSError(error.args[0], f"{error.args[-1]} (is it a serial port?)") from error
    return port


def configure(port: int, baud: int, parity: str, stop_bits: int) -> None:
    """Raises: OSError, termios.error."""
    speed = getattr(termios, f"B{baud}")
    control = termios.CS8 | termios.CREAD | termios.CLOCAL | PARITIES[parity]
    if stop_bits == 2:
        control |= termios.CSTOPB
    special = termios.tcgetattr(port)[6]
    # A read gives what is there, at least a byte; without one it would block, which we do not.
    special[termios.VMIN], special[termios.VTIME] = 1, 0
    check = termios.INPCK if parity != "none" else 0
    wanted = [check, 0, control, 0, speed, speed, special]
    try:
        termios.tcsetattr(port, termios.TCSANOW, wanted)
    except termios.error:
        # The C library calls it an error when parity is all that was left to change and the port
        # has none (a pty). A port that took nothing else is no serial port, or not this fast.
        taken = termios.tcgetattr(port)
        if [*taken[:2], *taken[3:6]] != [*wanted[:2], *wanted[3:6]]:
            raise
    termios.tcflush(port, termios.TCIOFLUSH)
    fcntl.ioctl(port, termios.TIOCEXCL)
