# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The UDP side: the socket with a large buffer, the kernel's count of drops, and a plain receive loop.

A datagram of any length is taken whole (64 KiB slot), and one that is cut by the kernel is counted, not lost.
"""

import array
import errno
import ipaddress
import selectors
import socket
import struct
import time
import traceback
from typing import Any, Dict, Iterator, List, Optional, Tuple, Union

from . import capture, wire

MAX_DATAGRAM = 65536
BURST = 256  # datagrams taken before the loop looks at anything else
TRUESIZE = 4352  # bytes of receive buffer that a datagram takes at most while it is no longer than an Ethernet frame
FAULTS_TOLD = 10  # tracebacks printed
BURST_RATE = 200000  # datagrams per second that may set in at any time without filling the receive buffer
NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPERM)  # a port that is in use says something else
SO_RCVBUFFORCE = 33
SO_MEMINFO = 55
MEMINFO_DROPS = 8  # place of the drop count in what SO_MEMINFO gives
SO_REUSEPORT = 15
SO_ATTACH_REUSEPORT_CBPF = 51
SPREAD = 0x9E3779B1  # multiplies the words of an agent address, so that neighbours go to different workers
_WORDS = struct.Struct(">4I")


def open_socket(address: str, port: int, buffer_bytes: int, share: bool = False) -> "socket.socket":
    """A bound UDP socket. "::" takes IPv4 too; where there is no IPv6 it becomes 0.0.0.0."""
    try:
        return _open(address, port, buffer_bytes, share)
    except OSError as error:
        if address != "::" or error.errno not in NO_IPV6:
            raise
        return _open("0.0.0.0", port, buffer_bytes, share)  # noqa: S104  listening is what a collector is for


def _open(address: str, port: int, buffer_bytes: int, share: bool) -> "socket.socket":
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        if share:
            sock.setsockopt(socket.SOL_SOCKET, SO_REUSEPORT, 1)
        grow_buffer(sock, buffer_bytes)
        sock.setblocking(False)
        sock.bind((address, port))
    except OSError:
        sock.close()
        raise
    return sock


def worker_of(address: bytes, workers: int) -> int:
    """Which of so many workers gets the datagrams of an agent address of 16 bytes."""
    spread = 0
    for word in _WORDS.unpack(address):
        spread = (spread + word) * SPREAD & 0xFFFFFFFF
    return (spread >> 16) % workers


def steer(sock: "socket.socket", workers: int) -> bool:
    """Have the kernel choose among the sockets of a port as worker_of does; False where it cannot.

    Without it the kernel chooses by the sender's address and port, and an agent that sends from two of them would be
    known to two workers, each with half of its datagrams.
    """
    load, jump, equal, keep, add, more, multiply, shift, modulo, give = (
        0x20, 0x05, 0x15, 0x07, 0x0C, 0x04, 0x24, 0x74, 0x94, 0x16)
    mapped = (0xFFFF * SPREAD) & 0xFFFFFFFF  # what ::ffff: comes to, which an IPv4 address has before it
    six = [(load, 0, 0, 8), (multiply, 0, 0, SPREAD)]
    for place in 12, 16, 20:
        six += [(keep, 0, 0, 0), (load, 0, 0, place), (add, 0, 0, 0), (multiply, 0, 0, SPREAD)]
    four = [(load, 0, 0, 8), (more, 0, 0, mapped), (multiply, 0, 0, SPREAD)]
    end = [(shift, 0, 0, 16), (modulo, 0, 0, workers), (give, 0, 0, 0)]
    program = [(load, 0, 0, 4), (equal, 0, len(six) + 1, 2), *six, (jump, 0, 0, len(four)), *four, *end]
    code = array.array("B", b"".join(struct.pack("=HBBI", *line) for line in program))
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF,
                        struct.pack("@HP", len(program), code.buffer_info()[0]))
    except OSError:
        return False
    return True


def grow_buffer(sock: "socket.socket", wanted: int) -> None:
    """Ask for a receive buffer; past net.core.rmem_max only CAP_NET_ADMIN may."""
    half = min(max(wanted, 4096), 1 << 30) // 2  # the kernel doubles what it is asked for
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, half)
    except OSError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, half)


def buffer_size(sock: "socket.socket") -> int:
    """The receive buffer there is, in bytes as the kernel accounts them."""
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)


def memory_info(sock: "socket.socket") -> Tuple[Any, ...]:
    """What SO_MEMINFO tells: bytes waiting in the receive buffer first; all full where the kernel does not tell."""
    try:
        return struct.unpack("=9I", sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 36))
    except (OSError, struct.error):
        return (0xFFFFFFFF,) * 8 + (0,)


def kernel_drops(sock: "socket.socket") -> int:
    """Datagrams the kernel dropped at this socket; 0 where it does not tell."""
    return memory_info(sock)[MEMINFO_DROPS]


def source_bytes(peer: Tuple[str, int]) -> bytes:
    """The 16 bytes of the address in a peer tuple."""
    host = peer[0]
    if ":" in host:
        return socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    return wire.MAPPED + socket.inet_aton(host)


class AllowList:
    """Source networks that may send; empty: all. Decisions are remembered, a bounded number of them."""

    def __init__(self, cidrs: Union[Tuple[Any, ...], List[str]] = ()) -> None:
        self.networks = []
        for text in cidrs:
            network = ipaddress.ip_network(text, strict=False)
            base = 96 if network.version == 4 else 0
            prefix = wire.MAPPED if network.version == 4 else b""
            shift = 128 - base - network.prefixlen
            self.networks.append((shift, int.from_bytes(prefix + network.network_address.packed, "big") >> shift))
        self._known: Dict[Any, Any] = {}

    def __bool__(self) -> bool:
        return bool(self.networks)

    def allows(self, source: bytes) -> bool:
        """Whether a source address of 16 bytes may send."""
        if not self.networks:
            return True
        known = self._known.get(source)
        if known is None:
            if len(self._known) >= 65536:
                self._known.clear()
            value = int.from_bytes(source, "big")
            known = self._known[source] = any(value >> shift == network for shift, network in self.networks)
        return known


class Pace:
    """How long to leave the socket alone, so that a wake-up finds more than one datagram.

    Little arrives: datagrams wait in the socket until a quarter of its buffer is full (looked at every few
    milliseconds, more often where much arrives) or longest seconds have passed. Nothing arrives: the loop sleeps until
    something does.
    """

    def __init__(self, sock: "socket.socket", longest: float) -> None:
        self.sock = sock
        self.longest = longest
        self.full = buffer_size(sock) // 4
        self.step = self._step = min(0.05, max(0.002, 3 * self.full / float(TRUESIZE * BURST_RATE)))  # the rest fills in it
        self._waited_since = 0.0

    def after(self, count: int, more: bool) -> Optional[float]:
        """After a drain that took count datagrams: seconds to leave the socket alone, None to wait for the next one."""
        now = time.monotonic()
        if count:  # at this rate a quarter of the buffer does not fill sooner
            self.step = min(self._step, max(0.002, self.full * (now - self._waited_since) / float(TRUESIZE * count)))
        self._waited_since = now
        if more:
            return 0.0
        return self.step if count else None

    def ripe(self) -> bool:
        """Whether what waits is worth a drain by now."""
        return time.monotonic() - self._waited_since >= self.longest or memory_info(self.sock)[0] >= self.full


class Schedule:
    """When a receiver is due, in an event loop: at once when something arrives, or when its pace says so."""

    def __init__(self, selector: Any, sock: "socket.socket", receiver: Any) -> None:
        self.selector, self.sock, self.receiver = selector, sock, receiver
        self._at: Optional[float] = None  # when to look at the socket; None: the selector tells when it has something
        selector.register(sock, selectors.EVENT_READ, self.now)

    def timeout(self) -> float:
        """Seconds until turn() has something to do."""
        return 3600.0 if self._at is None else max(0.0, self._at - time.monotonic())

    def turn(self) -> None:
        """Receive if it is time to."""
        if self._at is not None and time.monotonic() >= self._at:
            if self._at == 0.0 or self.receiver.pace.ripe():
                self.now()
            else:
                self._at = time.monotonic() + self.receiver.pace.step

    def now(self, _events: Optional[int] = None) -> None:
        """Receive, then leave the socket alone for as long as the receiver says.

        What the decoder stumbles over, by a fault of its own, is counted and told; the rest of the fleet is still heard.
        """
        try:
            pause = self.receiver.drain()
        except Exception:
            account, pause = self.receiver.core.account, 0.0
            if account.errors.get("fault", 0) < FAULTS_TOLD:
                traceback.print_exc()
            account.error("fault", wire.MAPPED + bytes(4))
        if (pause is None) != (self._at is None):
            if pause is None:
                self.selector.register(self.sock, selectors.EVENT_READ, self.now)
            else:
                self.selector.unregister(self.sock)
        self._at = time.monotonic() + pause if pause else pause


class Receiver:
    """Reads datagrams one by one and hands them to a collector."""

    def __init__(self, sock: "socket.socket", core: Any, allow: "AllowList") -> None:
        self.sock = sock
        self.core = core
        self.allow = allow
        self._slot = memoryview(bytearray(MAX_DATAGRAM + len(capture.PAD)))
        self._sources: Dict[Any, Any] = {}
        self._count, self._more = 0, False  # what the last drain found
        self.pace = Pace(sock, 0.05)

    def drain(self) -> Optional[float]:
        """Take what is there, up to a burst; seconds to leave the socket alone, None to wait for the next datagram."""
        self._more = True
        self.core.take_all(self._arrived())
        return self.pace.after(self._count, self._more)

    def _arrived(self) -> "Iterator[capture.Located]":
        """What is there, up to a burst, as capture.located() yields it."""
        core, slot, pad = self.core, self._slot, len(capture.PAD)
        buffers = [slot[:MAX_DATAGRAM]]
        for self._count in range(BURST):
            try:
                size, _ancillary, flags, peer = self.sock.recvmsg_into(buffers)
            except BlockingIOError:
                self._more = False
                return
            except OSError:  # an ICMP error of an earlier datagram; there is nothing to do about it
                continue
            source = self._sources.get(peer[0])
            if source is None:
                if len(self._sources) >= 65536:
                    self._sources.clear()
                source = self._sources[peer[0]] = source_bytes(peer)
            if not self.allow.allows(source):
                core.account.refused += 1
                continue
            if flags & socket.MSG_TRUNC:
                core.account.truncated += 1
                core.account.error("truncated", source)
                continue
            yield core.clock(), source, bytes(slot[:size + pad]), 0, size
        self._count = BURST


def receiver(sock: "socket.socket", core: Any, allow: "AllowList") -> Any:
    """The receiver that fits the collector's decoder."""
    if core.decoder == "batch":
        try:
            from . import mmsg
            problem = mmsg.available()
            if problem is None:
                return mmsg.BatchReceiver(sock, core, allow)
        except (ImportError, MemoryError, OSError) as error:  # ctypes is absent, or forbidden by a sandbox
            problem = "ctypes cannot be used: %s" % error
        core.decoder_reason += ", received one by one: %s" % problem
    return Receiver(sock, core, allow)
