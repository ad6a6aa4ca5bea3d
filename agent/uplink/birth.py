"""Who speaks and how far its log reaches: the payload of `birth`."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from agent.clock import Stamp
from agent.errors import StoreError
from agent.site import Uplink
from agent.store import cbor
from agent.store.journal import declared_losses, lowest_seq
from agent.uplink import wire
from agent.uplink.envelopes import Envelopes
from agent.uplink.status import Identity


class Birth:
    """What one node tells of itself. settings: the protection settings in force, "" not known.

    tell: takes a line where the log cannot be read; what it holds is not told then.
    """

    def __init__(
        self,
        identity: Identity,
        uplink: Uplink,
        *,
        log: Path,
        epoch: int,
        lanes: str,
        tell: Callable[[str], None],
    ) -> None:
        self.settings = ""
        self._identity = identity
        self._uplink = uplink
        self._log = log
        self._epoch = epoch
        self._lanes = lanes
        self._tell = tell

    def payload(self, protocol: str, envelopes: Envelopes, now: Stamp) -> bytes:
        """As it is now. protocol: "5" or "3.1.1"; envelopes: how far each lane reaches."""
        identity = self._identity
        versions, config_hash = dict(identity.versions), identity.config_hash
        if self.settings:
            versions["settings"] = self.settings
            together = sha256(config_hash + self.settings.encode())
            config_hash = together.digest()[: len(config_hash)]
        return cbor.dumps(
            wire.birth(
                node=identity.node,
                model=identity.model,
                versions=versions,
                config_hash=config_hash,
                lanes={lane: self._lane(lane, envelopes.next_seq(lane)) for lane in self._lanes},
                clock=(now.boot, now.mono_us, now.utc_us, now.source, now.error_us),
                protocol=protocol,
                ack=self._uplink.ack,
                consumers=list(self._uplink.consumers),
                public_key=identity.public_key,
            )
        )

    def _lane(
        self, lane: str, next_seq: int | None
    ) -> tuple[int, int, int, list[tuple[int, int, str]]]:
        lowest, lost = 1, []
        try:
            lowest = lowest_seq(self._log, lane)
            losses = declared_losses(self._log, lane)
            lost = [(loss.first, loss.last, loss.reason) for loss in losses]
        except (OSError, StoreError) as error:
            self._tell(str(error))
        return self._epoch, lowest, next_seq or lowest, lost
