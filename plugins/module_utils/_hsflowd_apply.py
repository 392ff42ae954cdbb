# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One change of hsflowd on its host, as a transaction: all of it and proved to run, or none of it.

A record of the state before lies on the disk from the first change to the proof. A run that is killed in between leaves it
there; the next run sees it, does the whole work again, and goes back to that state if it has to.
"""

import base64
import contextlib
import errno
import fcntl
import glob
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from typing import Any, Callable, Dict, Iterator, List, Optional, Set, Tuple

from ansible_collections.netviz.sflow.plugins.module_utils import _hsflowd_host as host
from ansible_collections.netviz.sflow.plugins.module_utils import _hsflowd_repack as repacking

PREVIOUS = host.CONFIG + ".previous"
CANDIDATE = "/etc/.hsflowd.conf.candidate"
PID_FILE = "/var/run/hsflowd.pid"
LOCK = "/run/netviz-sflow-hsflowd.lock"
PREFIX = "netviz-"  # of the drop-ins that are ours
WITHOUT_SYSV = {"SYSTEMCTL_SKIP_SYSV": "1"}  # an old systemctl does not know it, and takes longer
FORESEEN_GRACE_SECONDS = 1.5  # a daemon that cannot begin its work ends within a second
FORCE_HALF = "--force-remove-reinstreq"  # what a dpkg that was killed has left can go too
DPKG_OPTIONS = ("--force-confdef", "--force-confold")


class Failed(Exception):
    """A step that did not work. The words are those of the program that said no."""

    def __init__(self, message: str, words: str = "") -> None:
        Exception.__init__(self, message)
        self.message = message
        self.words = words.strip()

    def __str__(self) -> str:
        return self.message


def run(command: Any, timeout: Any = 60, **more: Any) -> Any:
    """(exit status, what it said on both streams); 124 after the time limit, 127 when there is no such program."""
    variables = host.environment(DEBIAN_FRONTEND="noninteractive", **more)
    try:
        # No module is at hand, and so no run_command.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=variables,
            timeout=timeout, check=False,
        )  # fmt: skip
        status, out = done.returncode, done.stdout
    except OSError as error:
        return 127, "%s: %s" % (command[0], error.strerror)
    except subprocess.TimeoutExpired as error:
        status, out = 124, error.output or b""
    return status, out.decode("utf-8", "replace")


def write(path: str, data: bytes, mode: int = 0o644) -> None:
    """Replaces a file in one step: whoever reads it sees the old bytes or the new ones."""
    directory = os.path.dirname(path)
    if not os.path.isdir(directory):
        os.makedirs(directory)
        os.chmod(directory, 0o755)  # by a strict umask only root could see a drop-in, and systemctl would tell others of none
    handle, temporary = tempfile.mkstemp(prefix=".%s." % os.path.basename(path), dir=directory)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, mode)
        os.rename(temporary, path)
    except BaseException:
        delete(temporary)
        raise


def delete(path: str) -> None:
    try:
        os.unlink(path)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise


@contextlib.contextmanager
def locked(seconds: float, clock: Any = time.time, sleep: Callable[..., Any] = time.sleep) -> Iterator[None]:
    """Keeps other changes of this host waiting; they give up after so many seconds, with Failed. A process that is killed lets go."""
    end = clock() + seconds
    while True:
        try:
            handle = os.open(LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise Failed("%s could not be written (%s), so nothing was changed" % (LOCK, error.strerror)) from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever had it before has deleted the file, and a third one may have made another.
            mine = os.path.samestat(os.fstat(handle), os.stat(LOCK))
        except OSError:
            mine = False
        if mine:
            break
        os.close(handle)
        if clock() >= end:
            raise Failed("another run has been changing the agent of this host for %d s, so nothing was changed" % seconds)
        sleep(0.2)
    try:
        yield
    finally:
        delete(LOCK)
        os.close(handle)


def last_words(text: str, lines: int = 12) -> str:
    return "\n".join([line.rstrip() for line in text.splitlines() if line.strip()][-lines:])


# The daemon as the judge of its configuration


def verdict(status: int, out: str) -> Optional[str]:
    """What the daemon's start over an empty /proc says: None when the configuration is good, else its words.

    It reads the configuration first and the interfaces next. Without /proc it finds no interface and ends there, so the exit
    status is 1 either way and the words decide. A parse error that is only a warning (a path that is not there yet) is none.
    """
    errors = [line for line in out.splitlines() if "parse error" in line and "WARNING" not in line]
    if "failed to read config file" in out or errors:
        return last_words(out)
    if "failed to read interfaces" in out or status == 124:
        return None
    return last_words(out) or "it ended with exit status %d and without a word" % status


def validate(candidate: str, execute: Callable[..., Any] = run) -> Optional[str]:
    """Has the installed daemon read a candidate. Returns None or its words."""
    arguments = ["-d", "-f", candidate, "-p", "/nonexistent/pid", "-o", "/dev/null", "-l", "/nonexistent"]
    # A mount namespace of its own keeps the empty /proc from everyone else.
    script = 'mount -t tmpfs none /proc || exit 99; exec timeout 2 "$0" "$@"'
    status, out = execute(["unshare", "-m", "sh", "-c", script, host.BINARY] + arguments, timeout=20)
    if status in (99, 127) or out.startswith("unshare:"):
        # Namespaces are not allowed here: a short run. A datagram may leave, which is what it will do anyway.
        status, out = execute(["timeout", "1", host.BINARY] + arguments, timeout=20)
        if status not in (0, 124) and "failed to read interfaces" not in out:
            return last_words(out) or "it ended with exit status %d and without a word" % status
    return verdict(status, out)


# What is in effect


def not_in_effect(wanted: Dict[str, Any], auto: Dict[str, Any]) -> str:
    """What the daemon does not say is in effect, as a sentence; empty when all of it is.

    wanted: collectors, agent_address, sampling and polling, None where it is not known.
    """
    for collector in wanted["collectors"]:
        if not any(
            c["udpport"] == int(collector["udpport"]) and _found(collector["ip"], c["ip"]) for c in auto["collectors"]
        ):
            return "the collector %s port %s is not in effect" % (collector["ip"], collector["udpport"])
    address = wanted["agent_address"]
    if address and auto["agent_ip"] and not host.same_address(auto["agent_ip"], address):
        return "the agent address is %s, not %s" % (auto["agent_ip"], address)
    for name in ("sampling", "polling"):
        if wanted[name] is not None and auto[name] is not None and auto[name] != wanted[name]:
            return "%s is %s, not %s" % (name, auto[name], wanted[name])
    return ""


def foresee(wanted: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    """What the daemon is going to say is in effect, in the form of parse_auto(); None where that depends on more than its file."""
    known = wanted["agent_address"] and wanted["sampling"] is not None and wanted["polling"] is not None
    addresses = [collector["ip"] for collector in wanted["collectors"]]
    if wanted["dns_sd"] or not known or not addresses or not all(map(_is_address, addresses)):
        return None
    return dict(
        host.parse_auto(""),
        complete=True,
        agent_ip=wanted["agent_address"],
        collectors=[{"ip": c["ip"], "udpport": int(c["udpport"])} for c in wanted["collectors"]],
        sampling=wanted["sampling"],
        polling=wanted["polling"],
    )


# The state before, and the way back


def snapshot() -> Dict[str, Any]:
    """What is there before the first change."""
    package = host.package()[0]
    service = host.unit()

    def encode(path: str) -> Optional[str]:
        data = host.read(path)
        return None if data is None else base64.b64encode(data).decode("ascii")

    return {
        "config": encode(host.CONFIG),
        "previous": encode(PREVIOUS),
        "drop_ins": {os.path.basename(p): encode(p) for p in glob.glob(os.path.join(host.DROP_INS, PREFIX + "*.conf"))},
        "version": package["version"] if package["installed"] else None,
        "held": (package["status"] or "").startswith("hold"),
        "enabled": service["unit_file_state"] == "enabled",
        "active": service["active_state"] == "active",
    }


class Transaction:
    def __init__(self, parameters: Dict[str, Any], execute: Callable[..., Any] = run, clock: Any = time.time,
                 sleep: Callable[..., Any] = time.sleep) -> None:
        self.p = parameters
        self.execute = execute
        self.clock = clock
        self.sleep = sleep
        self.before: Any = None
        self.record = base64.b16encode(os.urandom(8)).decode("ascii")  # tells the record of this change from that of another run
        self.interrupted = False  # whether a run before this one has left a record
        self.touched: Set[Any] = set()
        self.changes: List[Any] = []
        self.diff: List[Any] = []
        self.note: List[Any] = []
        self.cursor = ""
        self.no_copy = ""  # why none could be made of the package before
        # The daemon needs four seconds to say what is in effect. Where a proof follows, that can be read when it is over.
        self.foreseen = foresee(parameters) if parameters["keep_record"] and not parameters["settle"] else None

    # what differs

    def look(self) -> bool:
        """Fills changes and diff without changing anything."""
        p = self.p
        package = host.package()[0]
        installed = package["version"] if package["installed"] else None
        # An interrupted run may have left half a package, or no copy of it for the way back from the next one.
        interrupted = host.recorded()
        again = interrupted is not None and interrupted["version"] != p["package_version"]
        self.version_before = interrupted["version"] if interrupted else installed
        self.package_due = bool(p["package_manage"]) and (installed != p["package_version"] or again)
        if self.package_due:
            self.changes.append("package")
            self.diff.append(
                _difference("package hsflowd", "%s\n" % installed if installed else "", "%s\n" % p["package_version"])
            )
        if p["libraries"]:
            self.changes.append("libraries")
            self.diff.append(_difference("libraries", "", "".join("%s\n" % name for name in p["libraries"])))
        old = host.read(host.CONFIG)
        self.config_due = old != p["config"].encode("utf-8")
        if self.config_due:
            self.changes.append("config")
            self.diff.append(_difference(host.CONFIG, (old or b"").decode("utf-8", "replace"), p["config"]))
        self.drop_ins_due = {}
        present = {os.path.basename(x) for x in glob.glob(os.path.join(host.DROP_INS, PREFIX + "*.conf"))}
        for name in sorted(present | set(p["drop_ins"])):
            path = os.path.join(host.DROP_INS, name)
            old = host.read(path)
            new = p["drop_ins"].get(name)
            if old != (None if new is None else new.encode("utf-8")):
                self.drop_ins_due[path] = new
                self.diff.append(_difference(path, (old or b"").decode("utf-8", "replace"), new or ""))
        if self.drop_ins_due:
            self.changes.append("drop-ins")
        service = host.unit()
        self.enable_due = not host.enabled_as(service["unit_file_state"], p["enabled"])
        if self.enable_due:
            self.changes.append("enabled")
        auto = host.parse_auto((host.read(host.AUTO) or b"").decode("utf-8", "replace"))
        loaded = host.mapped(service["main_pid"]) or p["modules"]  # who may not look into the daemon sees none
        settled = (
            service["active_state"] == "active"
            and auto["complete"]
            and not service["stale"]
            and set(p["modules"]) <= set(loaded)
            and not host.moved(p["collectors"], host.collector_names(p["config"]), auto)
        )
        self.restart_due = (
            bool(self.changes) and self.changes != ["enabled"] or not settled or os.path.exists(host.PENDING)
        )
        if self.restart_due:
            self.changes.append("service")
        return bool(self.changes)

    # the change

    def apply(self) -> Dict[str, Any]:
        p = self.p
        try:
            self.before = host.recorded()
            self.interrupted = self.before is not None
            if self.before is None:
                self.before = snapshot()
            else:
                self.touched = {"package", "files", "enabled", "service"}
            self.before["change"] = self.record
            write(host.PENDING, json.dumps(self.before).encode("utf-8"), 0o600)
        except OSError as error:
            raise Failed(
                "%s could not be written (%s), so nothing was changed" % (host.PENDING, error.strerror)
            ) from None
        try:
            # What is wrong with the libraries shall show first; but with half of our package there, or its journal, apt refuses all work.
            first = self.package_due and (self.interrupted or "reinstreq" in (host.package()[0]["status"] or ""))
            if first:
                self.keep_package_before()
                self.install_package()
            if p["libraries"]:
                self.install_libraries()
            if self.package_due and not first:
                self.keep_package_before()
                self.install_package()
            self.check_candidate()
            self.write_files()
            if self.enable_due or self.package_due:
                self.touched.add("enabled")
                self.enable(p["enabled"])
            if self.package_due or self.drop_ins_due or self.enable_due or host.unit()["stale"]:
                self.reload()
            if self.restart_due:
                self.touched.add("service")
                auto = self.start()
            else:
                auto = host.parse_auto(host.text(host.AUTO))
        except OSError as error:
            failure = Failed("%s: %s" % (error.filename or "a file could not be written", error.strerror))
            raise self.back(failure) from None
        except Failed as failure:
            raise self.back(failure) from None
        self.keep_package()
        self.sweep()
        return auto

    def systemctl(self, *arguments: Any, **environment: Any) -> None:
        status, out = self.execute(["systemctl", "--no-ask-password"] + list(arguments), timeout=60, **environment)
        if status != 0:
            raise Failed("systemctl %s failed" % " ".join(arguments), last_words(out))

    def enable(self, wanted: Any) -> None:
        """Leaves the reload to the caller, who needs one anyway.

        The package may bring a script for SysV init too. systemctl would have update-rc.d make links for it, which nobody reads
        where systemd runs, and which cost two more reloads.
        """
        action, environment = ("enable", WITHOUT_SYSV) if wanted else ("disable", {})
        self.systemctl("--no-reload", action, host.UNIT, **environment)

    def here(self) -> str:
        """The end of the journal."""
        _status, out = self.execute(["journalctl", "--lines=0", "--show-cursor", "--no-pager"], timeout=20)
        return out.partition("cursor: ")[2].strip()

    def reload(self) -> None:
        """Has systemd read its files again. It ignores a line that it does not understand; that must not go unnoticed."""
        cursor = self.here() if self.drop_ins_due else ""
        self.systemctl("daemon-reload")
        if not cursor:
            return
        command = ["journalctl", "_PID=1", "--after-cursor", cursor, "--output", "cat", "--no-pager"]
        _status, out = self.execute(command, timeout=20)
        ignored = [line for line in out.splitlines() if os.path.join(host.DROP_INS, PREFIX) in line]
        if ignored:
            raise Failed("systemd does not take a line of the drop-ins", last_words("\n".join(ignored)))

    def patient(self, command: List[str], timeout: int) -> Tuple[int, str]:
        """Runs dpkg or apt-get, and waits while another one holds the lock; Failed when that does not end."""
        end = self.clock() + self.p["lock_timeout_seconds"]
        while True:
            status, out = self.execute(command, timeout=timeout)
            locked = status != 0 and re.search(
                r"locked by .+ process|Could not get lock|Unable to (lock|acquire)", out
            )
            if not locked:
                return status, out
            if self.clock() >= end:
                raise Failed("another program has held the lock of dpkg for %d s" % self.p["lock_timeout_seconds"], last_words(out))
            self.sleep(1)

    def install_libraries(self) -> None:
        command = ["apt-get", "install", "-y", "-q", "--no-install-recommends"] + list(self.p["libraries"])
        status, out = self.patient(command, 600)
        if status != 0 and re.search(r"Unable to locate package|has no installation candidate|404", out):
            self.patient(["apt-get", "update", "-q"], 300)
            status, out = self.patient(command, 600)
        if status != 0:
            raise Failed(
                "the libraries %s could not be installed; they are packages of the distribution"
                % ", ".join(self.p["libraries"]),
                last_words(out),
            )
        self.touched.add("libraries")

    def keep_package_before(self) -> None:
        """Makes a file of the package that is there now, unless there is one already: what something else installed has none."""
        package, version = host.package()[0], self.before["version"]
        if not package["installed"] or package["version"] != version or os.path.exists(_kept(version)):
            return
        try:
            repacking.repack(_kept(version), self.execute)
        except (repacking.Impossible, OSError) as error:
            self.no_copy = str(error)
            self.note.append("no copy of the package hsflowd %s could be made (%s)" % (version, error))

    def install_package(self) -> None:
        path = self.p["package_file"]
        self.dpkg(self.installing(path))
        package = host.package()[0]
        if not package["installed"] or package["version"] != self.p["package_version"]:
            raise Failed(
                "%s was installed and is hsflowd %s, not %s"
                % (os.path.basename(path), package["version"], self.p["package_version"])
            )

    def installing(self, path: str) -> List[str]:
        """The command that installs a file, once it is known to be the package."""
        status, out = self.execute(["dpkg-deb", "--field", path, "Package", "Depends"], timeout=30)
        if status != 0:
            raise Failed("%s is not a Debian package" % path, last_words(out))
        if not repacking.whole(path):
            raise Failed("%s is not a whole Debian package, as after a download that was cut short" % path)
        if not re.search(r"^Package: hsflowd$", out, re.M):
            raise Failed("%s is not the package hsflowd" % path, last_words(out))
        if "Depends:" not in out:  # upstream's has none, a rebuilt one may
            return ["dpkg", *DPKG_OPTIONS, "--install", path]
        command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", "--allow-downgrades", "--reinstall"]
        return [*command, "--allow-change-held-packages", "-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold", path]

    def dpkg(self, command: List[str]) -> None:
        status, out = self.patient(command, 300)
        self.touched.add("package")  # not where it never had the lock
        if status != 0:
            raise Failed("the package could not be installed", last_words(out))
        if self.before.get("held"):  # dpkg forgets it with an installation
            self.execute(["apt-mark", "hold", "hsflowd"], timeout=60)

    def check_candidate(self) -> None:
        if not os.path.exists(host.BINARY):
            raise Failed("%s is not there after the installation" % host.BINARY)
        write(CANDIDATE, self.p["config"].encode("utf-8"))
        try:
            words = validate(CANDIDATE, self.execute)
        finally:
            delete(CANDIDATE)
        if words is not None:
            raise Failed("hsflowd %s rejects the configuration" % (host.package()[0]["version"] or ""), words)

    def write_files(self) -> None:
        old = host.read(host.CONFIG)
        new = self.p["config"].encode("utf-8")
        if old != new:  # the package may have brought its own just now
            self.touched.add("files")
            if self.interrupted and self.before["config"] is not None:
                old = base64.b64decode(self.before["config"])  # what is there was never proved
            if old is not None and self.p["backup"]:
                write(PREVIOUS, old)
            write(host.CONFIG, new)
        for path, text in sorted(self.drop_ins_due.items()):
            self.touched.add("files")
            if text is None:
                delete(path)
            else:
                write(path, text.encode("utf-8"))

    def start(self) -> Dict[str, Any]:
        """Restarts the service and waits until the daemon says what is in effect."""
        _stale_pid_file()
        service = host.unit()
        if service["active_state"] != "inactive":
            # Stopped first, so that what the old daemon says at its end is not taken for words of the new one.
            self.execute(["systemctl", "--no-ask-password", "stop", host.UNIT], timeout=60)
            self.execute(["systemctl", "reset-failed", host.UNIT], timeout=30)
            service = host.unit()
        self.cursor = self.here()
        began = self.clock()
        restarts = service["n_restarts"]
        status, out = self.execute(["systemctl", "--no-ask-password", "start", host.UNIT], timeout=60)
        if status != 0:
            raise Failed("the service does not start", self.journal(began) or last_words(out))
        return self.ready(began, restarts)

    @property
    def patience(self) -> int:
        """Seconds until a daemon must say what is in effect. With DNS-SD it asks for the first time after 0 to 30 (mod_dnssd.c)."""
        return max(self.p["ready_timeout_seconds"], 45 if self.p["dns_sd"] else 0)

    def ready(self, began: float, restarts: int) -> Dict[str, Any]:
        """Waits until the daemon says what is in effect. Where that is foreseen it need only have loaded its modules and stay up."""
        end = began + self.patience
        grace = FORESEEN_GRACE_SECONDS if self.foreseen else self.p["grace_seconds"]
        if self.foreseen:
            self.sleep(grace)  # nothing is decided before, and each look costs the host 7 ms of CPU
        while True:
            # Only looking at the file is cheap enough to do often.
            asked_again = self.clock() + 1
            while not self.foreseen and not self.written(began) and self.clock() < min(asked_again, end):
                self.sleep(0.1)
            service = host.unit()
            if service["active_state"] != "active" or service["n_restarts"] > max(restarts, 0):
                raise Failed(
                    "the daemon does not stay up (%s, %s)" % (service["active_state"], service["result"]),
                    self.journal(began),
                )
            missing = self.not_loaded(service) if self.foreseen else self.missing(service, began)
            if not missing and (service["running_seconds"] or 0) >= grace:
                return self.foreseen or host.parse_auto(host.text(host.AUTO))
            if self.clock() >= end and missing:
                raise Failed(
                    "the daemon runs and is not what was configured after %d s: %s"
                    % (self.patience, missing),
                    self.journal(began),
                )
            self.sleep(0.2)

    @staticmethod
    def written(began: Any) -> Any:
        """Whether the daemon has said what is in effect, since then."""
        try:
            since = os.stat(host.AUTO).st_mtime
        except OSError:
            return False
        return since >= began - 0.05 and host.parse_auto(host.text(host.AUTO))["complete"]

    def missing(self, service: Dict[str, Any], began: float) -> str:
        """What is not in effect yet, as a sentence; empty when all is."""
        p = self.p
        if not os.path.exists(host.AUTO):
            return "%s is not there" % host.AUTO
        if not self.written(began):
            unanswered = ", so the DNS gave no collector for the SRV record %s" % p["dns_sd"] if p["dns_sd"] else ""
            return "%s is not complete%s" % (host.AUTO, unanswered)
        return not_in_effect(p, host.parse_auto(host.text(host.AUTO))) or self.not_loaded(service)

    def not_loaded(self, service: Dict[str, Any]) -> str:
        """The modules that the daemon has not loaded, as a sentence; empty when it has all."""
        loaded = host.mapped(service["main_pid"])
        absent = [name for name in self.p["modules"] if name not in loaded]
        if not absent:
            return ""
        broken = host.modules(host.libraries(), None)["broken"]
        why = ["mod_%s needs %s" % (n, ", ".join(broken[n])) for n in absent if n in broken]
        return "the daemon has not loaded %s%s" % (
            ", ".join("mod_" + n for n in absent),
            " (%s)" % "; ".join(why) if why else "",
        )

    def journal(self, began: float) -> str:
        """What the daemon said since the start, without what systemd said about it."""
        since = ["--after-cursor", self.cursor] if self.cursor else ["--since", "@%d" % int(began)]
        status, out = self.execute(
            ["journalctl", "--unit", host.UNIT, "--output", "cat", "--no-pager"] + since, timeout=20
        )
        if status != 0:
            return ""
        noise = re.compile(
            r"^(Started|Starting|Stopped|Stopping|Failed to start|-- |[^ ]+\.service: (Main|Control) process exited"
            r"|[^ ]+\.service: (Failed with result|Scheduled restart|Deactivated|Succeeded|Consumed))"
        )
        return last_words("\n".join(line for line in out.splitlines() if not noise.match(line)))

    # the way back

    def back(self, failure: "Failed") -> "Failed":
        """Undoes what was done; returns the failure with a sentence on the state that is left."""
        if not self.p["rollback"]:
            failure.message += "; hsflowd_rollback is false, so the host stays as it is"
            return failure
        try:
            left = self.restore()
            delete(host.PENDING)
            _remove_empty(host.STATE)
        except (Failed, OSError) as second:
            words = getattr(second, "words", "")
            failure.message += "; going back failed too (%s%s), and the next run will try again" % (
                second,
                ": " + words if words else "",
            )
            return failure
        failure.message += "; " + left
        return failure

    def restore(self) -> str:
        before = self.before
        if not self.touched:
            return "nothing was changed"
        if self.touched == {"libraries"}:
            return "nothing else was changed, and the libraries %s stay" % ", ".join(self.p["libraries"])
        kept = _kept(before["version"]) if before["version"] else None
        purged = False
        current = host.package()[0]
        if "package" in self.touched and (not current["installed"] or current["version"] != before["version"]):
            if before["version"] is None:
                self.execute(["systemctl", "stop", host.UNIT], timeout=60)
                self.execute(["systemctl", "disable", host.UNIT], timeout=60)
                status, out = self.patient(["dpkg", FORCE_HALF, "--purge", "hsflowd"], 120)
                if status != 0:
                    raise Failed("the package could not be removed again", last_words(out))
                purged = True
            elif kept and os.path.exists(kept):
                self.dpkg(self.installing(kept))
        if "package" in self.touched:
            _sweep()
        for name in {os.path.basename(p) for p in self.drop_ins_due} | set(before["drop_ins"]):
            _restore(os.path.join(host.DROP_INS, name), before["drop_ins"].get(name))
        _restore(host.CONFIG, before["config"])
        _restore(PREVIOUS, before.get("previous"))
        if purged:
            for path in [host.AUTO] + [p for p in host.leftovers() if os.path.islink(p)]:
                delete(path)
            _remove_empty(host.DROP_INS)
        self.systemctl("daemon-reload")
        if purged:
            self.execute(["systemctl", "reset-failed", host.UNIT], timeout=30)
            return "the package was removed again, as before"
        if before["enabled"]:
            self.execute(["systemctl", "enable", host.UNIT], timeout=60, **WITHOUT_SYSV)
        else:
            self.execute(["systemctl", "disable", host.UNIT], timeout=60)
        self.execute(["systemctl", "reset-failed", host.UNIT], timeout=30)
        began = self.clock()
        self.execute(["systemctl", "restart" if before["active"] else "stop", host.UNIT], timeout=60)
        state = self.settled(began) if before["active"] else host.unit()["active_state"]
        if before["active"] and state != "active":
            raise Failed("the service is %s with the old configuration as well" % state)
        version = host.package()[0]["version"]
        said = "the old configuration is back and the service is %s" % state
        if version != before["version"]:
            why = self.no_copy and " (%s)" % self.no_copy
            said += "; the package stays at %s, because there is no copy of %s%s" % (version, before["version"], why)
        return said

    def settled(self, began: float) -> str:
        """Waits until the old configuration is in effect again; returns the state of the service."""
        while True:
            state = host.unit()["active_state"]
            if state != "active" or self.written(began) or self.clock() >= began + self.patience:
                return state
            self.sleep(0.2)

    # the end

    def keep_package(self) -> None:
        """Keeps the package file on the host, for the way back from the next version."""
        if not self.package_due:
            return
        kept = _kept(self.p["package_version"])
        try:
            shutil.copyfile(self.p["package_file"], kept + ".part")
            os.rename(kept + ".part", kept)
        except OSError as error:
            delete(kept + ".part")
            self.note.append(
                "no copy of the package was kept (%s); a later upgrade cannot go back to it" % error.strerror
            )
        _prune(kept, _kept(self.before["version"]) if self.p["keep_record"] and self.before["version"] else kept)

    def sweep(self) -> None:
        """Removes what an interrupted run or dpkg left, and the record last."""
        _sweep()
        repacking.sweep(host.STATE)
        if not self.p["keep_record"]:
            delete(host.PENDING)

    # what the proof said of a change whose record was kept

    def go_back(self, new_host: Any) -> Any:
        """Undoes a change that came into effect here, but whose telemetry did not arrive."""
        self.before = own_record(self.p.get("record"))
        fate = self.fate()
        if self.before["version"] is None and new_host == "stop":
            self.systemctl("stop", host.UNIT)
            self.systemctl("disable", host.UNIT)
            left = "the agent is new to this host, so it is stopped and not enabled"
        else:
            self.touched = {"package", "files", "enabled", "service"}
            present = glob.glob(os.path.join(host.DROP_INS, PREFIX + "*.conf"))
            self.drop_ins_due = dict.fromkeys(present)
            left = self.restore()
        delete(host.PENDING)
        package = host.package()[0]
        _prune(_kept(package["version"]) if package["installed"] else None)
        _remove_empty(host.STATE)
        return left + fate

    def fate(self) -> str:
        """What became of a daemon that could not be proved and does not run any more; empty when it does."""
        service = host.unit()
        if service["active_state"] == "active":
            return ""
        words = self.journal(os.stat(host.PENDING).st_mtime)
        said = " and had said: %s" % " ".join(words.split()) if words else ""
        return "; the daemon that could not be proved had ended (%s, %s)%s" % (service["active_state"], service["result"], said)


def own_record(change: Optional[str]) -> Dict[str, Any]:
    """The record of the state before, of this change where one is named. Raises Failed where there is none, or that of another run."""
    found = host.recorded()
    if found is None:
        raise Failed("there is no record of the state before, so nothing was changed")
    if change and found.get("change") != change:
        raise Failed("another run has changed this host since, so nothing was changed; the proof of that run decides")
    return found


def _sweep() -> None:
    """Removes what an interrupted run or dpkg left beside the configuration."""
    for path in host.candidates() + glob.glob(host.CONFIG + ".dpkg-*"):
        delete(path)


def _prune(*kept: Optional[str]) -> None:
    """Deletes all copies of packages but these."""
    for path in glob.glob(host.STATE + "/hsflowd_*"):
        if path not in kept:
            delete(path)


def remove(parameters: Any, check: Any, execute: Any = run) -> Any:
    """Takes away what the role put there. Returns the names of what was (or would be) removed."""
    p = parameters
    changes = []
    package = host.package()[0]
    service = host.unit()
    if service["active_state"] not in (None, "inactive", "failed"):
        changes.append("service")
    managed = p["package_manage"]
    conffiles_only = (package["status"] or "").endswith("config-files")
    # When the configuration is kept, so is dpkg's note of it.
    package_due = (
        managed
        and package["status"] is not None
        and not (conffiles_only and p["keep_config"])
        and "not-installed" not in package["status"]
    )
    if package_due:
        changes.append("package")
    ours = sorted(glob.glob(os.path.join(host.DROP_INS, PREFIX + "*.conf")))
    if ours:
        changes.append("drop-ins")
    config = host.read(host.CONFIG)
    config_due = managed and not p["keep_config"] and config is not None
    if config_due:
        changes.append("config")
    files = [f for f in [host.AUTO] + host.leftovers() if managed or f != host.AUTO]
    files = [f for f in files if os.path.lexists(f)]
    if files:
        changes.append("files")
    if service["unit_file_state"] == "enabled" or os.path.islink(host.WANTS):
        changes.append("enabled")
    if check or not changes:
        return changes
    transaction = Transaction(p, execute)
    execute(["systemctl", "stop", host.UNIT], timeout=60)
    execute(["systemctl", "disable", host.UNIT], timeout=60)
    if package_due:
        left = "the package is still there, and the service is stopped and disabled"
        try:
            status, out = transaction.patient(["dpkg", FORCE_HALF, "--remove" if p["keep_config"] else "--purge", "hsflowd"], 120)
        except Failed as failure:
            raise Failed("%s; %s" % (failure, left), failure.words) from None
        if status != 0:
            raise Failed("the package could not be removed; %s" % left, last_words(out))
    for path in ours + files + ([host.CONFIG] if config_due else []) + host.leftovers():
        delete(path)
    if p["keep_config"] and config is not None and not os.path.exists(host.CONFIG):
        write(host.CONFIG, config)  # dpkg takes it away with a package that does not say it is a conffile
    repacking.sweep(host.STATE)
    _remove_empty(host.DROP_INS)
    _remove_empty(host.STATE)
    execute(["systemctl", "daemon-reload"], timeout=60)
    execute(["systemctl", "reset-failed", host.UNIT], timeout=30)
    return changes


def _difference(name: str, before: str, after: str) -> Dict[str, str]:
    return {"before_header": name, "after_header": name, "before": before, "after": after}


def _found(wanted: str, address: str) -> bool:
    """A host name was resolved by the daemon, so any address will do for it."""
    return not _is_address(wanted) or host.same_address(wanted, address)


def _is_address(collector: str) -> bool:
    return bool(re.match(r"^[0-9.]+$|.*:", collector))


def _kept(version: str) -> str:
    return os.path.join(host.STATE, "hsflowd_%s.deb" % re.sub(r"[^A-Za-z0-9.+~-]", "_", str(version)))


def _restore(path: str, encoded: Optional[str]) -> None:
    if encoded is None:
        delete(path)
    elif host.read(path) != base64.b64decode(encoded):  # where the disk is full, what is right must not need room
        write(path, base64.b64decode(encoded))


def _remove_empty(path: str) -> None:
    with contextlib.suppress(OSError):
        os.rmdir(path)


def _stale_pid_file() -> None:
    """A pid file keeps the daemon from starting; the service never writes one, a start by hand does."""
    content = host.text(PID_FILE)
    if not os.path.exists(PID_FILE):
        return
    if content.isdigit() and host.text("/proc/%s/comm" % content) == "hsflowd":
        raise Failed("another hsflowd (process %s) was started outside the service; stop it" % content)
    delete(PID_FILE)
