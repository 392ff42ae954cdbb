# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`serve`: one loop over the UDP socket, the web interface and a second hand; it sleeps when nothing comes."""

import gc
import os
import selectors
import signal
import sys
import time
from typing import Any, Callable, Optional

from . import api, core, state, systemd, udp, web, workers
from .settings import DAY_MS, SettingsError

TICK_SECONDS = 1.0
SAVE_SECONDS = 60


def log(text: str) -> None:
    """One line to the journal."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def listen(kind: str, address: str, port: int, start: Callable[..., Any]) -> Any:
    """What start() gives; the error of a port that cannot be had says which one."""
    try:
        return start()
    except OSError as error:
        raise SettingsError("cannot listen on %s port %d of %s: %s" % (kind, port, address, error.strerror)) from None


class Service:
    """The running collector."""

    def __init__(self, settings: Any) -> None:
        self.settings = settings
        options = dict(max_agents=settings.max_agents, groups_path=settings.groups, window_s=settings.window_seconds,
                       max_volume=settings.max_volume, forget_ms=settings.forget_days * DAY_MS)
        self.core = core.create(settings.decoder, **options)
        if settings.workers > 1:  # they decode; this process only puts together what they know
            decoder, self.core = self.core.decoder, core.Collector(**options)
            self.core.decoder = decoder
        self.selector = selectors.DefaultSelector()
        self.running = self.failed = False
        self.save_failed: Optional[int] = None
        self._child: Optional[int] = None
        self._next_save = time.monotonic() + SAVE_SECONDS
        self._next_alive = 0.0
        self.workers: Optional[workers.Workers] = None  # or, without them:
        self.schedule: Any = None
        self.sock: Any = None
        self._restore()
        if settings.workers > 1:
            self.workers = listen("UDP", settings.udp_address, settings.udp_port, lambda: workers.Workers(
                settings, state.to_plain(self.core.account)))
            self.core.udp.update(address=settings.udp_address, port=self.workers.port)
            self.workers.refresh(self.core)
        else:
            self.sock = listen("UDP", settings.udp_address, settings.udp_port, lambda: udp.open_socket(
                settings.udp_address, settings.udp_port, settings.receive_buffer_bytes))
            self.core.udp.update(address=self.sock.getsockname()[0], port=self.sock.getsockname()[1],
                                 receive_buffer_bytes=udp.buffer_size(self.sock))
            self.schedule = udp.Schedule(self.selector, self.sock, udp.receiver(
                self.sock, self.core, udp.AllowList(settings.allow)))
        self.api = api.Api(self.core, healthy=self.problem, refresh=self._refresh)
        token = settings.token()
        self.web = listen("TCP", settings.http_address, settings.http_port, lambda: web.Server(
            self.selector, self.api, settings.http_address, settings.http_port, token, log,
            self.api.public, settings.http_names))

    def problem(self) -> Any:
        """What keeps the collector from its work, None when nothing does."""
        return None if self.running else "not running"

    def _restore(self) -> None:
        folder = self.settings.state_dir
        if not folder:
            return
        state.tidy(folder)
        try:
            self.core.restored = state.load(self.core.account, folder, self.core.clock())
        except (OSError, ValueError) as error:
            log("state: %s: %s; beginning with an empty account" % (os.path.join(folder, state.FILE), error))
            self.core.forget()
        for _mark in range(2):  # what is restored is not recent
            self.core.account.mark(self.core.clock())

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; the exit status."""
        self.running = True
        # Looking for cycles through ten thousand agents takes longer than the receive buffer lasts; _tick() looks
        # through what is young, and no cycle lives longer.
        gc.disable()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        wakeup, waker = os.pipe()
        for end in wakeup, waker:
            os.set_blocking(end, False)
        signal.set_wakeup_fd(waker)
        self.selector.register(wakeup, selectors.EVENT_READ, lambda events: os.read(wakeup, 64))
        if self.core.groups_file.problem:
            log("groups: %s" % self.core.groups_file.problem)
        log("receiving on [%s]:%s (buffer %d bytes), web on http://%s:%d/, decoder %s (%s)" % (
            self.core.udp["address"], self.core.udp["port"], self.core.udp["receive_buffer_bytes"],
            self.settings.http_address, self.web.port, self.core.decoder, self.core.decoder_reason))
        systemd.notify("READY=1", "STATUS=receiving on port %d" % self.core.udp["port"])
        due = time.monotonic()
        while self.running:
            until = due - time.monotonic() if self.schedule is None else min(
                due - time.monotonic(), self.schedule.timeout())
            for key, events in self.selector.select(max(0.0, until)):
                key.data(events)
            if self.schedule is not None:
                self.schedule.turn()
            now = time.monotonic()
            if now >= due:
                due = now + TICK_SECONDS
                self._tick()
        systemd.notify("STOPPING=1")
        self.close()
        return 1 if self.failed else 0

    def _stop(self, _number: int, _frame: Any) -> None:
        self.running = False

    def _refresh(self, with_samples: bool = False) -> None:
        """Before an answer: datagrams that wait in the socket count as well, and what the workers know."""
        if self.workers:
            self.workers.refresh(self.core, with_samples)
            return
        self.schedule.now()
        self.core.flush()

    def _tick(self) -> None:
        """Once a second: drops, deadlines, the groups file, the saved state, the watchdog."""
        if self.workers:
            if not self.workers.alive():
                log("a worker has ended or does not answer; ending, so that all are started anew")
                self.running, self.failed = False, True
                return
        else:
            self.core.flush()
            self.core.udp["kernel_drops"] = udp.kernel_drops(self.sock)
            self.core.account.roll(self.core.clock())
        self.web.expire()
        gc.collect(1)
        problem = self.core.poll_groups()
        if problem:
            log("groups: %s; keeping the groups there were" % problem)
        self._save()
        seconds = systemd.watchdog_seconds()
        if seconds is not None and time.monotonic() >= self._next_alive:
            self._next_alive = time.monotonic() + seconds / 2
            systemd.notify("WATCHDOG=1")

    def _save(self) -> None:
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
                if self.workers:
                    self.workers.refresh(self.core)
                self._child = state.save_in_child(self.core.account, self.settings.state_dir, self.core.clock())
            except workers.WorkerFailed as error:  # the next tick ends the service
                log("workers: %s" % error)
            except OSError as error:
                log("state: cannot fork: %s" % error.strerror)

    def close(self) -> None:
        """Save the account and let go of everything."""
        try:
            if self.workers:
                self.workers.refresh(self.core, force=True)
            else:
                self._refresh()
        except workers.WorkerFailed as error:
            log("workers: %s" % error)
        if self._child is not None:  # what it is about to save is old by now, and systemd does not wait for two saves
            os.kill(self._child, signal.SIGKILL)
            os.waitpid(self._child, 0)
            self._child = None
        if self.settings.state_dir:
            try:
                state.save(self.core.account, self.settings.state_dir, self.core.clock())
            except OSError as error:
                log("state: %s: %s" % (self.settings.state_dir, error.strerror))
        self.web.close()
        if self.workers:
            self.workers.close()
        else:
            self.sock.close()
        self.selector.close()
