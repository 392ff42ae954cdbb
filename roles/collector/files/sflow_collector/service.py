# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`serve`: one loop over the UDP socket, the web interface and a second hand; it sleeps when nothing comes."""

import os
import selectors
import signal
import sys
import time

from . import api, core, state, systemd, udp, web
from .settings import SettingsError

TICK_SECONDS = 1.0
SAVE_SECONDS = 60


def log(text):
    """One line to the journal."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def listen(kind, address, port, start):
    """What start() gives; the error of a port that cannot be had says which one."""
    try:
        return start()
    except OSError as error:
        raise SettingsError("cannot listen on %s port %d of %s: %s" % (kind, port, address, error.strerror)) from None


class Service:
    """The running collector."""

    def __init__(self, settings):
        self.settings = settings
        self.core = core.create(settings.decoder, max_agents=settings.max_agents, groups_path=settings.groups,
                                window_s=settings.window_seconds, max_volume=settings.max_volume)
        self.selector = selectors.DefaultSelector()
        self.running = False
        self.save_failed = None
        self._child = None
        self._next_save = time.monotonic() + SAVE_SECONDS
        self._next_alive = 0.0
        self._refused = 0
        self._restore()
        self.sock = listen("UDP", settings.udp_address, settings.udp_port, lambda: udp.open_socket(
            settings.udp_address, settings.udp_port, settings.receive_buffer_bytes))
        self.core.udp.update(address=self.sock.getsockname()[0], port=self.sock.getsockname()[1],
                             receive_buffer_bytes=udp.buffer_size(self.sock))
        self.receiver = udp.receiver(self.sock, self.core, udp.AllowList(settings.allow))
        self._receive_at = None  # when to look at the socket again; None: as soon as it has something
        self.selector.register(self.sock, selectors.EVENT_READ, self._receive)
        self.api = api.Api(self.core, healthy=self.problem, refresh=self._refresh)
        token = settings.token()
        self.web = listen("TCP", settings.http_address, settings.http_port, lambda: web.Server(
            self.selector, self.api, settings.http_address, settings.http_port, token, log,
            self.api.public))

    def problem(self):
        """What keeps the collector from its work, None when nothing does."""
        return None if self.running else "not running"

    def _restore(self):
        folder = self.settings.state_dir
        if not folder:
            return
        try:
            self.core.restored = state.load(self.core.account, folder)
        except (OSError, ValueError) as error:
            log("state: %s: %s; beginning with an empty account" % (os.path.join(folder, state.FILE), error))
            self.core.forget()

    def run(self):
        """Serve until SIGTERM or SIGINT."""
        self.running = True
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        wakeup, waker = os.pipe()
        for end in wakeup, waker:
            os.set_blocking(end, False)
        signal.set_wakeup_fd(waker)
        self.selector.register(wakeup, selectors.EVENT_READ, lambda events: os.read(wakeup, 64))
        if self.core.groups_file.problem:
            log("groups: %s" % self.core.groups_file.problem)
        log("receiving on [%s]:%d (buffer %d bytes), web on http://%s:%d/, decoder %s (%s)" % (
            self.core.udp["address"], self.core.udp["port"], self.core.udp["receive_buffer_bytes"],
            self.settings.http_address, self.web.port, self.core.decoder, self.core.decoder_reason))
        systemd.notify("READY=1", "STATUS=receiving on port %d" % self.core.udp["port"])
        due = time.monotonic()
        while self.running:
            wake = due if self._receive_at is None else min(due, self._receive_at)
            for key, events in self.selector.select(max(0.0, wake - time.monotonic())):
                key.data(events)
            now = time.monotonic()
            if self._receive_at is not None and now >= self._receive_at:
                if self._receive_at == 0.0 or self.receiver.pace.ripe():
                    self._receive()
                else:
                    self._receive_at = now + self.receiver.pace.step
            if now >= due:
                due = now + TICK_SECONDS
                self._tick()
        systemd.notify("STOPPING=1")
        self.close()

    def _stop(self, _number, _frame):
        self.running = False

    def _receive(self, _events=None):
        """Receive, then leave the socket alone for as long as the receiver says."""
        pause = self.receiver.drain()
        if (pause is None) != (self._receive_at is None):
            if pause is None:
                self.selector.register(self.sock, selectors.EVENT_READ, self._receive)
            else:
                self.selector.unregister(self.sock)
        self._receive_at = time.monotonic() + pause if pause else pause

    def _refresh(self):
        """Before an answer: datagrams that wait in the socket count as well."""
        self._receive()
        self.core.flush()

    def _tick(self):
        """Once a second: drops, deadlines, the groups file, the saved state, the watchdog."""
        self.core.flush()
        self.core.udp["kernel_drops"] = udp.kernel_drops(self.sock)
        self.web.expire()
        problem = self.core.poll_groups()
        if problem:
            log("groups: %s; keeping the groups there were" % problem)
        self._save()
        seconds = systemd.watchdog_seconds()
        if seconds is not None and time.monotonic() >= self._next_alive:
            self._next_alive = time.monotonic() + seconds / 2
            systemd.notify("WATCHDOG=1")

    def _save(self):
        if not self.settings.state_dir:
            return
        if self._child is not None:
            child, status = os.waitpid(self._child, os.WNOHANG)
            if child:
                self._child = None
                if status and not self.save_failed:
                    log("state: cannot be saved in %s" % self.settings.state_dir)
                self.save_failed = status
        elif time.monotonic() >= self._next_save:
            self._next_save = time.monotonic() + SAVE_SECONDS
            try:
                self._child = state.save_in_child(self.core.account, self.settings.state_dir)
            except OSError as error:
                log("state: cannot fork: %s" % error.strerror)

    def close(self):
        """Save the account and let go of everything."""
        self.core.flush()
        if self._child is not None:
            os.waitpid(self._child, 0)
            self._child = None
        if self.settings.state_dir:
            try:
                state.save(self.core.account, self.settings.state_dir)
            except OSError as error:
                log("state: %s: %s" % (self.settings.state_dir, error.strerror))
        self.web.close()
        self.sock.close()
        self.selector.close()
