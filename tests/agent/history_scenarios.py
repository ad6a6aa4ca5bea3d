"""A bay's values played into a history, the same way everywhere. Portable."""

from agent.history import History

DAY_US = 86_400_000_000


def day_of(utc_us: int) -> "tuple[int, int]":
    """Days of UTC."""
    start_us = utc_us // DAY_US * DAY_US
    return start_us, start_us + DAY_US


def play(observed: "list[tuple[int, int, list[int | None]]]") -> "list[object]":
    """What a history tells of observations (mono_us, utc_us, counts), and of a stop after them."""
    history = History(day_of)
    came: "list[object]" = []
    for mono_us, utc_us, counts in observed:
        came += history.feed("head", counts, mono_us, utc_us)
    return came + history.stop()
