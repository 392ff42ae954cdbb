# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends modest traffic to each PEER until stopped: UDP to the discard port, TCP to the same program there, and ping.

Usage: traffic.py PEER ...        about 60 packets/s to each peer, in waves, so that the picture moves.
"""

import contextlib
import math
import socket
import subprocess
import sys
import threading
import time

TCP_PORT = 7007
UDP_PORT = 9


def serve():
    """Accept TCP connections, read what comes, answer each piece with a short line."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("0.0.0.0", TCP_PORT))
    listener.listen(16)
    while True:
        connection = listener.accept()[0]
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


def answer(connection):
    with contextlib.suppress(OSError), connection:
        while connection.recv(4096):
            connection.sendall(b"ok\n")


def talk_tcp(peer):
    """One connection to the peer, a request every 100 ms; connect again when it breaks (the gateway has no server)."""
    while True:
        with contextlib.suppress(OSError), socket.create_connection((peer, TCP_PORT), timeout=2) as connection:
            while True:
                connection.sendall(b"x" * 400)
                connection.recv(64)
                time.sleep(0.1)
        time.sleep(2)


def talk_udp(peer, phase):
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    while True:
        rate = 30 * (1.2 + math.sin(time.time() / 10 + phase))
        with contextlib.suppress(OSError):
            sender.sendto(b"y" * 700, (peer, UDP_PORT))
        time.sleep(1 / rate)


def main(peers):
    threading.Thread(target=serve, daemon=True).start()
    for number, peer in enumerate(peers):
        threading.Thread(target=talk_tcp, args=(peer,), daemon=True).start()
        threading.Thread(target=talk_udp, args=(peer, number), daemon=True).start()
    pings = [subprocess.Popen(["ping", "-q", "-i", "0.2", peer], stdout=subprocess.DEVNULL) for peer in peers]
    for ping in pings:
        ping.wait()


if __name__ == "__main__":
    main(sys.argv[1:])
