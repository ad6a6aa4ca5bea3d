"""paho's socket in the event loop: watched while it is paho's, written at once, read by the buffer.

paho would be woken through the loop for each packet that it has to say, and reads each packet that
comes in by three calls of the system; both cost more than the packets themselves (decision 0045).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any

import aiomqtt

from agent.uplink import reasons
from agent.uplink.mqtt_client import MAXIMUM_PACKET

# One record of TLS; what a broker says in a moment is rarely more.
READ_BYTES = 16_384
# Then whoever reads the messages has a turn, and acknowledges them: mosquitto 2.0 sends on beyond
# our receive maximum where answers come to it one by one.
PACKETS_AT_ONCE = 8
# Type and QoS of a packet: exactly-once delivery, which we never ask for. paho would keep its
# messages until the broker releases them, so any number.
_TYPE_AND_QOS, _PUBLISH_QOS_2 = 0xF6, 0x34


class Socket:
    """From paho's connecting until `abandon`; `lost` is told once why it ends before.

    `reached`: somebody took the connection.
    """

    def __init__(self, client: aiomqtt.Client, lost: Callable[[str], None]) -> None:
        self.reached = False
        # aiomqtt makes and connects paho's client and looks after its keep-alive.
        self._client = client
        self._paho = client._client  # noqa: SLF001
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._pings: asyncio.Task[None] | None = None
        self._over = self._speaking = self._writing = False
        self._held, self._taken = b"", 0
        self._receive_any = self._paho._sock_recv  # noqa: SLF001
        self._hook()

    async def connect(self) -> None:
        """Until the broker has taken the connection. Raises: OSError, ValueError."""
        # aiomqtt's own connect waits in a thread that a process cannot end without, and
        # overlooks a broker that hangs up before it answers CONNECT.
        await in_thread(self._client._client_connect)  # noqa: SLF001

    def say(self, step: Callable[..., Any], *arguments: Any) -> Any:
        """A step of paho that has something to say, which goes out with the next `flush`."""
        self._speaking = True
        try:
            return step(*arguments)
        finally:
            self._speaking = False

    def flush(self) -> None:
        """Write what paho has to say; what the system does not take now, as soon as it does."""
        self._carefully(self._paho.loop_write)
        sock: Any = self._paho.socket()
        if sock is not None and self._paho.want_write() and not self._writing:
            self._writing = True
            self._loop.add_writer(sock, self._carefully, self._paho.loop_write)

    def end(self) -> None:
        """The link has ended: nothing more is read."""
        self._over = True

    def abandon(self) -> None:
        """Close it here and now, whatever the peer does and whatever a thread still attempts."""
        self._over = True
        # Nothing public closes without waiting for the peer.
        self._paho._sock_close()  # noqa: SLF001

    # A socket is watched only while it is paho's: aiomqtt would begin to watch one that has been
    # closed meanwhile, and by then its number may be another connection's. Nothing that paho calls
    # here may close the socket: it holds a lock meanwhile.

    def _hook(self) -> None:
        paho = self._paho
        paho.on_socket_open = self._on_socket_open
        paho.on_socket_close = self._on_socket_close
        paho.on_socket_register_write = self._on_socket_register_write
        paho.on_socket_unregister_write = self._on_socket_unregister_write
        paho._sock_recv = self._receive  # type: ignore[assignment,method-assign]  # noqa: SLF001

    def _on_socket_open(self, _client: Any, _userdata: Any, sock: Any) -> None:
        # In the thread that connects. If nobody waits for it any more it must not go on to
        # CONNECT: it would throw out the connection that came after it, and nobody would ping.
        if self._over:
            sock.close()
            raise ConnectionAbortedError("abandoned")
        self.reached = True
        # An alarm behind another small message would wait until the broker's system confirms
        # that one, which it puts off for up to 40 ms.
        with contextlib.suppress(OSError):  # no reason to stay away
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._loop.call_soon_threadsafe(self._watch, sock)

    def _watch(self, sock: socket.socket) -> None:
        if self._paho.socket() is sock:
            self._loop.add_reader(sock, self._read, sock)
            self._pings = self._loop.create_task(self._client._misc_loop())  # noqa: SLF001

    def _on_socket_close(self, _client: Any, _userdata: Any, sock: Any) -> None:
        if sock.fileno() >= 0:  # one that came too late is closed already
            self._loop.remove_reader(sock)
        if self._pings is not None:
            self._pings.cancel()

    def _on_socket_register_write(self, _client: Any, _userdata: Any, sock: Any) -> None:
        if self._speaking:
            return
        if threading.get_ident() == self._thread:
            self._loop.call_soon(self._write, sock)
        else:  # in the thread that connects
            self._loop.call_soon_threadsafe(self._write, sock)

    def _write(self, sock: Any) -> None:
        if self._paho.socket() is sock:
            self.flush()

    def _on_socket_unregister_write(self, _client: Any, _userdata: Any, sock: Any) -> None:
        if self._writing and sock.fileno() >= 0:
            self._loop.remove_writer(sock)
        self._writing = False

    def _read(self, sock: Any) -> None:
        for _ in range(PACKETS_AT_ONCE):
            self._carefully(self._paho.loop_read)
            if self._over or self._paho.socket() is not sock:
                return
            # What is held here, and what OpenSSL has decrypted already, no selector tells of.
            if self._taken == len(self._held) and not getattr(sock, "pending", int)():
                return
        self._loop.call_soon(self._go_on_reading, sock)

    def _go_on_reading(self, sock: Any) -> None:
        if not self._over and self._paho.socket() is sock:
            self._read(sock)

    def _carefully(self, step: Callable[[], object]) -> None:
        """A packet that paho cannot digest ends the link, not the agent."""
        try:
            step()
        except Exception as error:  # noqa: BLE001  whatever it is, the broker has caused it
            told = reasons.quoted(f"{type(error).__name__}: {error}")
            self._lost(f"the link broke (a packet that cannot be read: {told})")

    def _receive(self, size: int) -> bytes:
        """The next bytes for paho, at most `size`; b"" at the end. Raises: BlockingIOError."""
        self._refuse_too_much()
        if self._taken == len(self._held):
            self._held, self._taken = self._receive_any(READ_BYTES), 0
        part = self._held[self._taken : self._taken + size]
        self._taken += len(part)
        return part

    def _refuse_too_much(self) -> None:
        """A packet beyond what we announced ends the link before it is taken, since a broker may
        announce a quarter of a gigabyte by four bytes.
        """
        packet = self._paho._in_packet  # noqa: SLF001
        if not packet["have_remaining"]:
            return
        length, wrong = packet["remaining_length"], ""
        if length > MAXIMUM_PACKET:
            wrong = f"a packet of {length} bytes; expected at most {MAXIMUM_PACKET}"
        elif packet["command"] & _TYPE_AND_QOS == _PUBLISH_QOS_2:
            wrong = "a message of QoS 2, which nobody asked for"
        if wrong:
            self._lost(f"the broker sent {wrong}")
            raise ConnectionAbortedError(wrong)


def in_thread(call: Callable[[], None]) -> asyncio.Future[None]:
    """The end of a call that may block; nobody has to wait for it when the process ends.

    The resolver alone may take half a minute where there is no network.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def settle(error: Exception | None) -> None:
        if ended.done():
            return
        if error is None:
            ended.set_result(None)
        else:
            ended.set_exception(error)

    def work() -> None:
        error: Exception | None = None
        try:
            call()
        except Exception as caught:  # noqa: BLE001  whatever it is, it belongs to who waits
            error = caught
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, error)

    threading.Thread(target=work, name="MQTT connect", daemon=True).start()
    return ended
