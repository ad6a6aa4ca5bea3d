"""Streams of digitiser frames and what comes of them: for both interpreters.

Portable.
"""

from agent.sensors import digitiser_frame as frame

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CHANNELS = (("ia", "A", "A", (20000, 32767)), ("ua", "V", "A", (1, 3)))


def announced(stream: int, contacts: int = 0, device: str = "board 7") -> bytes:
    names = ["c" + str(k) for k in range(contacts)]
    return frame.announcement_frame(
        frame.Announcement(stream, (4000, 1), CHANNELS, names, device, 250)
    )


def samples(stream: int, number: int, first: int, data: bytes, flags: int = 0) -> bytes:
    return frame.samples_frame(stream, number, first, flags, data)


def told(pieces: "list[bytes]") -> "Any":
    """Everything that a decoder says of a line's bytes, as it comes in these pieces."""
    decoder = frame.Decoder()
    items = []
    for piece in pieces:
        items += [_shown(item) for item in decoder.feed(piece)]
    reasons = sorted(decoder.passed_over.items())
    return items, reasons, decoder.frames


def _shown(item: "Any") -> "Any":
    if isinstance(item, frame.Announcement):
        return (item.stream, item.set_bytes) + item.meaning()
    return item.stream, item.number, item.first, item.flags, item.sets, item.data


def refused(stream: int, rate: "Any", channels: "Any", contacts: "Any", device: str) -> str:
    """Why an announcement is impossible."""
    return frame.Announcement(
        stream, tuple(rate), [tuple(channel) for channel in channels], contacts, device
    ).wrong()
