"""From a bay's wiring to the taps of its detector: which channel, and what one count is worth."""

from __future__ import annotations

from collections.abc import Mapping

from agent.detect.sight import Tap
from agent.records import Layout
from agent.sensors.channels import CURRENTS, LOAD_VOLTAGES, SWITCH, VOLTAGES, ChannelUse
from agent.site import Bay


def taps(layout: Layout, uses: Mapping[str, ChannelUse], bay: Bay) -> dict[str, Tap]:
    """Primary amperes and volts per count, for every role of the bay that a channel serves.

    The site's ratio multiplies what the source delivers; 1 means that it is primary already. The
    switch's contact is a channel like the others, 1 where it is closed.
    """
    ratios = dict.fromkeys(CURRENTS, bay.ct_ratio) | dict.fromkeys(
        (*VOLTAGES, *LOAD_VOLTAGES), bay.vt_ratio
    )
    ratios[SWITCH] = 1.0
    return {
        role: Tap(use.index, layout.channels[use.index].scale * use.factor * ratio)
        for role, ratio in ratios.items()
        if (use := uses.get(role)) is not None
    }
