# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The transaction, on a machine that is a directory and a few lines of pretence. The scenarios of molecule run it on real ones."""

import base64
import contextlib
import hashlib
import json
import os

import pytest
from ansible_collections.netviz.sflow.plugins.module_utils import _hsflowd_apply as engine
from ansible_collections.netviz.sflow.plugins.module_utils import _hsflowd_host as host

GOOD = "sflow {\n  polling = 20\n}\n"


@pytest.mark.parametrize(
    "status, out, good",
    [
        (1, "failed to read interfaces\n", True),
        (124, "", True),
        (
            1,
            "parse error at <polling><bad> on line 2 of /etc/x : expected integer\nfailed to read config file\n",
            False,
        ),
        (1, "parse error in /etc/x: expected a closing '}'\nfailed to read interfaces\n", False),
        (
            1,
            "parse error at <fifo></x> on line 2 of /etc/x : WARNING: path does not exist\nfailed to read interfaces\n",
            True,
        ),
        (
            1,
            "/usr/sbin/hsflowd: /lib/libc.so.6: version `GLIBC_2.34' not found (required by /usr/sbin/hsflowd)\n",
            False,
        ),
        (139, "", False),
        (0, "", False),
    ],
)
def test_the_daemons_verdict(status, out, good):
    assert (engine.verdict(status, out) is None) == good


def test_where_namespaces_are_not_allowed_the_daemon_runs_for_a_second():
    calls = []

    def execute(command, timeout=0):
        calls.append(command[0])
        return (1, "unshare: unshare failed: Operation not permitted\n") if command[0] == "unshare" else (124, "")

    assert engine.validate("/x", execute) is None
    assert calls == ["unshare", "timeout"]

    def refuses(command, timeout=0):
        return (1, "unshare: no\n") if command[0] == "unshare" else (1, "cannot open /var/run/netns/x\n")

    assert engine.validate("/x", refuses) == "cannot open /var/run/netns/x"


repacking_whole = engine.repacking.whole


class Machine:
    """dpkg, systemd and hsflowd, as far as the transaction sees them."""

    def __init__(self, root):
        self.root = root
        self.package = None
        self.enabled = self.active = False
        self.running = None  # the configuration that the daemon started with
        self.refuse = ""  # a text in the configuration that the daemon dies of
        self.reject = ""  # a text that it does not parse
        self.breaks = ""  # the first words of a command that fails
        self.interrupt = ""  # the first words of a command that kills the run
        self.ignored = ""  # what systemd says of the drop-ins
        self.log = []

    def execute(self, command, timeout=60, **_environment):
        line = " ".join(command)
        self.log.append(line)
        if self.interrupt and line.startswith(self.interrupt):
            raise KeyboardInterrupt
        if self.breaks and line.startswith(self.breaks):
            return 1, "broken on purpose"
        if "--build" in command:
            with open(command[-1], "w") as stream:
                stream.write(self.package)
        elif command[0] == "dpkg-deb":
            return 0, "Package: hsflowd\n"
        elif command[0] == "dpkg-query":
            return 0, "Package: hsflowd\n" if "--status" in command else ""
        if line.startswith("dpkg ") and "--install" in command:
            with open(command[-1]) as stream:
                self.package = stream.read()
            host_binary(self.root, True)
            if os.path.exists(host.CONFIG):
                open(host.CONFIG + ".dpkg-dist", "w").close()
        elif command[0] == "dpkg" and ("--purge" in command or "--remove" in command):
            self.package = None
            host_binary(self.root, False)
            engine.delete(host.CONFIG)
        elif command[0] == "unshare":
            with open(command[command.index("-f") + 1]) as stream:
                bad = self.reject and self.reject in stream.read()
            return 1, "parse error at <x>\nfailed to read config file\n" if bad else "failed to read interfaces\n"
        elif command[0] == "systemctl":
            self.systemctl([c for c in command[1:] if not c.startswith("-")])
        elif command[0] == "journalctl":
            if "_PID=1" in command:
                return 0, self.ignored
            return 0, "-- cursor: s=1\n" if "--show-cursor" in command else "it does not like %s\n" % self.refuse
        return 0, ""

    def systemctl(self, words):
        action = words[0]
        if action in ("enable", "disable"):
            self.enabled = action == "enable"
        elif action == "stop":
            self.active = False
        elif action in ("start", "restart"):
            self.running = (host.read(host.CONFIG) or b"").decode()
            self.active = not (self.refuse and self.refuse in self.running)
            with open(host.AUTO, "w") as stream:
                if self.active:
                    stream.write("rev_start=1\nhostname=h\nagentIP=192.0.2.20\npolling=20\nsampling=400\ncollector=192.0.2.1\nrev_end=1\n")

    def unit(self):
        return {
            "active_state": "active" if self.active else "inactive" if not self.refuse else "failed",
            "unit_file_state": "enabled" if self.enabled else "disabled",
            "n_restarts": 0,
            "result": "success",
            "main_pid": 1,
            "running_seconds": 10.0,
            "stale": [],
        }


def host_binary(root, there):
    path = os.path.join(root, "hsflowd")
    if there:
        open(path, "w").close()
    else:
        engine.delete(path)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    root = str(tmp_path)
    made = Machine(root)
    for name, path in (
        ("CONFIG", "hsflowd.conf"),
        ("AUTO", "hsflowd.auto"),
        ("BINARY", "hsflowd"),
        ("DROP_INS", "hsflowd.service.d"),
        ("STATE", "state"),
        ("PENDING", "state/hsflowd.pending"),
        ("WANTS", "wants"),
    ):
        monkeypatch.setattr(host, name, os.path.join(root, path))
    monkeypatch.setattr(engine, "PREVIOUS", os.path.join(root, "hsflowd.conf.previous"))
    monkeypatch.setattr(engine, "CANDIDATE", os.path.join(root, ".hsflowd.conf.candidate"))
    monkeypatch.setattr(engine, "LOCK", os.path.join(root, "lock"))
    monkeypatch.setattr(engine, "PID_FILE", os.path.join(root, "hsflowd.pid"))
    monkeypatch.setattr(host, "unit", made.unit)
    monkeypatch.setattr(host, "mapped", lambda _pid: ["pcap"])
    monkeypatch.setattr(engine.repacking, "whole", lambda _path: True)
    monkeypatch.setattr(
        host,
        "package",
        lambda: (
            {
                "installed": made.package is not None,
                "version": made.package,
                "status": "install ok installed" if made.package else None,
            },
            "amd64",
        ),
    )
    return made


def parameters(machine, version="1", **more):
    path = os.path.join(machine.root, "hsflowd-%s.deb" % version)
    with open(path, "w") as stream:
        stream.write(version)
    found = {
        "config": GOOD,
        "drop_ins": {"netviz-log.conf": "[Service]\n"},
        "package_manage": True,
        "package_file": path,
        "package_version": version,
        "libraries": [],
        "enabled": True,
        "collectors": [{"ip": "192.0.2.1", "udpport": 6343}],
        "agent_address": None,
        "sampling": 400,
        "polling": 20,
        "modules": ["pcap"],
        "dns_sd": None,
        "ready_timeout_seconds": 2,
        "grace_seconds": 0,
        "lock_timeout_seconds": 3,
        "rollback": True,
        "backup": True,
        "keep_config": False,
        "keep_record": False,
        "settle": False,
    }
    found.update(more)
    return found


class Clock:
    def __init__(self):
        import time

        self.now = time.time() - 1

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def work(machine, given):
    clock = Clock()
    transaction = engine.Transaction(given, machine.execute, clock, clock.sleep)
    changed = transaction.look()
    if changed:
        transaction.apply()
    return transaction


def tree(root):
    found = {}
    for directory, _names, files in os.walk(root):
        for name in files:
            if not name.startswith("hsflowd-"):
                found[os.path.relpath(os.path.join(directory, name), root)] = host.read(os.path.join(directory, name))
    return found


def test_a_virgin_host_gets_everything_and_the_second_run_does_nothing(machine):
    first = work(machine, parameters(machine))
    assert first.changes == ["package", "config", "drop-ins", "enabled", "service"]
    assert (machine.package, machine.enabled, machine.active, machine.running) == ("1", True, True, GOOD)
    assert not os.path.exists(host.PENDING)
    before = tree(machine.root)
    machine.log = []
    assert work(machine, parameters(machine)).changes == []
    assert machine.log == [] and tree(machine.root) == before


def test_looking_changes_nothing(machine):
    before = tree(machine.root)
    transaction = engine.Transaction(parameters(machine), machine.execute)
    assert transaction.look() and tree(machine.root) == before and machine.log == []
    headers = [d["after_header"] for d in transaction.diff]
    assert headers[0] == "package hsflowd" and host.CONFIG in headers


def test_a_rejected_configuration_is_never_put_in_place(machine):
    work(machine, parameters(machine))
    before = tree(machine.root)
    machine.reject, machine.log = "bad", []
    with pytest.raises(engine.Failed) as failed:
        work(machine, parameters(machine, config="bad"))
    assert "rejects the configuration; nothing was changed" in failed.value.message
    assert "parse error at <x>" in failed.value.words
    assert tree(machine.root) == before and machine.active
    assert not [line for line in machine.log if "start" in line or "stop" in line]


def test_a_daemon_that_dies_brings_the_old_configuration_back(machine):
    work(machine, parameters(machine))
    before = tree(machine.root)
    machine.refuse = "bad"
    with pytest.raises(engine.Failed) as failed:
        work(machine, parameters(machine, config="bad", drop_ins={"netviz-new.conf": "x"}))
    assert "the old configuration is back and the service is active" in failed.value.message
    assert failed.value.words == "it does not like bad"
    assert tree(machine.root) == before and machine.running == GOOD


def test_the_configuration_before_is_kept_for_a_comparison(machine):
    work(machine, parameters(machine))
    work(machine, parameters(machine, config=GOOD + "# 2\n", backup=False))
    assert host.read(engine.PREVIOUS) is None
    work(machine, parameters(machine, config=GOOD + "# 3\n"))
    assert host.read(engine.PREVIOUS) == GOOD.encode() + b"# 2\n"


def test_a_virgin_host_is_virgin_again(machine):
    machine.refuse = "polling"
    with pytest.raises(engine.Failed, match="removed again, as before"):
        work(machine, parameters(machine))
    assert machine.package is None and not machine.enabled
    assert tree(machine.root) == {}


BACK = "the old configuration is back and the service is active"


@pytest.mark.parametrize("command, message, words", [
    ("dpkg-deb --field", "hsflowd-2.deb is not a Debian package; nothing was changed", "broken on purpose"),
    ("dpkg --force", "the package could not be installed; " + BACK, "broken on purpose"),
    ("systemctl --no-ask-password --no-reload enable", "systemctl --no-reload enable hsflowd.service failed; " + BACK, "broken on purpose"),
    ("systemctl --no-ask-password start", "the service does not start; " + BACK, "it does not like "),  # what its journal says
])
def test_a_step_that_fails_is_named_and_taken_back(machine, command, message, words):
    work(machine, parameters(machine))
    before, machine.log, machine.breaks = tree(machine.root), [], command
    with pytest.raises(engine.Failed) as failed:
        work(machine, parameters(machine, "2", config=GOOD + "# 2\n"))
    assert failed.value.message.endswith(message) and failed.value.words == words.strip()
    assert (machine.package, machine.active, machine.enabled, machine.running) == ("1", True, True, GOOD)
    assert tree(machine.root) == before
    assert "nothing" not in message or not [line for line in machine.log if line.startswith("systemctl")]


@pytest.mark.parametrize("enabled, active", [(True, True), (True, False), (False, True), (False, False)])
def test_the_service_is_as_it_was(machine, enabled, active):
    work(machine, parameters(machine))
    machine.enabled, machine.active, machine.refuse = enabled, active, "bad"
    with pytest.raises(engine.Failed, match="the old configuration is back and the service is %s" % ("active" if active else "failed")):
        work(machine, parameters(machine, config="bad", drop_ins={"netviz-new.conf": "x"}, enabled=not enabled))
    assert (machine.enabled, machine.active) == (enabled, active)
    back = machine.log[max(n for n, line in enumerate(machine.log) if "daemon-reload" in line):]  # systemd reads the old files, before
    assert back[-1].startswith("systemctl %s " % ("restart" if active else "stop"))


def test_a_change_that_could_not_be_proved_goes_back(machine):
    """On a host that had another configuration, and on one to which the agent is new, as sflow_rollout_new_hosts says."""
    def unproved(**more):
        return work(machine, parameters(machine, keep_record=True, **more))

    unproved()
    assert unproved().go_back("stop") == "the agent is new to this host, so it is stopped and not enabled"
    assert (machine.package, machine.active, machine.enabled) == ("1", False, False) and host.read(host.CONFIG) == GOOD.encode()
    assert os.listdir(host.STATE) == ["hsflowd_1.deb"]
    with pytest.raises(engine.Failed, match="no record of the state before, so nothing was changed"):
        engine.Transaction(parameters(machine), machine.execute).go_back("remove")
    work(machine, parameters(machine))
    before = tree(machine.root)
    assert unproved(config=GOOD + "# new").go_back("stop") == "the old configuration is back and the service is active"
    assert tree(machine.root) == before and machine.running == GOOD
    engine.remove(parameters(machine), False, machine.execute)
    assert unproved().go_back("remove") == "the package was removed again, as before"
    assert machine.package is None and tree(machine.root) == {}


def test_the_old_package_comes_back(machine):
    work(machine, parameters(machine, "1"))
    machine.refuse = "bad"
    with pytest.raises(engine.Failed, match="old configuration is back"):
        work(machine, parameters(machine, "2", config="bad"))
    assert (machine.package, machine.running) == ("1", GOOD)
    assert not os.path.exists(host.CONFIG + ".dpkg-dist")
    machine.refuse = ""
    work(machine, parameters(machine, "2"))
    assert machine.package == "2"
    assert os.listdir(host.STATE) == ["hsflowd_2.deb"]


def test_a_package_that_somebody_else_installed_comes_back(machine):
    machine.package = "0"
    machine.refuse = "polling"
    with pytest.raises(engine.Failed, match="; the old configuration is back and the service is [a-z]+$"):
        work(machine, parameters(machine, "1"))
    assert machine.package == "0" and os.listdir(host.STATE) == ["hsflowd_0.deb"]
    machine.refuse, machine.log = "", []
    work(machine, parameters(machine, "1"))
    assert not [line for line in machine.log if "--build" in line]  # there is a copy by now
    assert os.listdir(host.STATE) == ["hsflowd_1.deb"]


def test_the_configuration_is_kept_although_its_package_takes_it_away(machine):
    """As one does that was put together without conffiles, whoever made it."""
    work(machine, parameters(machine))
    assert "config" not in engine.remove(parameters(machine, keep_config=True), False, machine.execute)
    assert machine.package is None and host.read(host.CONFIG) == GOOD.encode()


def test_a_package_of_which_no_copy_could_be_made_stays_and_it_is_said(machine):
    machine.package = "0"
    machine.breaks = "dpkg-query --listfiles"
    assert "no copy of the package hsflowd 0 could be made" in work(machine, parameters(machine, "1", keep_record=True)).note[0]
    machine.package, machine.refuse = "0", "bad"
    engine.delete(host.PENDING)
    words = r"stays at 1, because there is no copy of 0 \(dpkg-query --listfiles failed: broken on purpose\)"
    with pytest.raises(engine.Failed, match=words):
        work(machine, parameters(machine, "1", config="bad"))
    assert os.listdir(host.STATE) == ["hsflowd_1.deb"]


def test_after_a_proof_from_outside_both_copies_are_there(machine):
    """The record alone is removed then. The next change of the package removes what is not needed for its own way back."""
    for version in "123":
        work(machine, parameters(machine, version, keep_record=True))
        engine.delete(host.PENDING)
    assert sorted(os.listdir(host.STATE)) == ["hsflowd_2.deb", "hsflowd_3.deb"]


def test_without_rollback_the_host_stays_as_it_is(machine):
    machine.refuse = "polling"
    with pytest.raises(engine.Failed, match="hsflowd_rollback is false"):
        work(machine, parameters(machine, rollback=False))
    assert machine.package == "1"


CUTS = ["dpkg --force", "unshare"] + [
    "systemctl --no-ask-password " + words for words in ("--no-reload enable", "daemon-reload", "start")
]


@pytest.mark.parametrize("at", CUTS)
def test_a_run_that_is_killed_is_repaired_by_the_next_one(machine, at):
    machine.interrupt = at
    with pytest.raises(KeyboardInterrupt):
        work(machine, parameters(machine))
    assert json.loads(host.read(host.PENDING).decode())["version"] is None
    machine.interrupt = ""
    repaired = work(machine, parameters(machine))
    assert "service" in repaired.changes
    assert (machine.package, machine.enabled, machine.active, machine.running) == ("1", True, True, GOOD)
    assert not os.path.exists(host.PENDING)
    assert sorted(tree(machine.root)) == [
        "hsflowd",
        "hsflowd.auto",
        "hsflowd.conf",
        "hsflowd.service.d/netviz-log.conf",
        "state/hsflowd_1.deb",
    ]


@pytest.mark.parametrize("at", ["dpkg --force", "systemctl --no-ask-password start"])
def test_after_a_killed_run_the_way_back_leads_to_before_it(machine, at):
    work(machine, parameters(machine, "1"))
    before = tree(machine.root)
    machine.interrupt = at
    with pytest.raises(KeyboardInterrupt):
        work(machine, parameters(machine, "2", config="bad"))
    machine.interrupt, machine.refuse = "", "bad"
    with pytest.raises(engine.Failed, match="old configuration is back"):
        work(machine, parameters(machine, "2", config="bad"))
    assert tree(machine.root) == before
    assert (machine.package, machine.running) == ("1", GOOD)


def test_a_way_back_that_fails_is_tried_again_by_the_next_run(machine):
    work(machine, parameters(machine, "1"))
    machine.refuse = "polling"  # now even the old one does not start
    with pytest.raises(engine.Failed, match="going back failed too"):
        work(machine, parameters(machine, "1", config=GOOD + "# new\n"))
    assert os.path.exists(host.PENDING)
    machine.refuse = ""
    work(machine, parameters(machine, "1"))
    assert not os.path.exists(host.PENDING) and machine.running == GOOD


def test_a_line_that_systemd_ignores_is_a_failure(machine):
    machine.ignored = "%s/netviz-limits.conf:4: Invalid CPU quota '20', ignoring.\n" % host.DROP_INS
    with pytest.raises(
        engine.Failed, match="systemd does not take a line of the drop-ins; the package was removed again"
    ) as failed:
        work(machine, parameters(machine))
    assert "Invalid CPU quota" in failed.value.words


def test_two_runs_do_not_change_a_host_at_once(tmp_path, monkeypatch):
    lock, clock, words = tmp_path / "lock", Clock(), "another run has been changing the agent of this host for 3 s, so nothing was changed"
    monkeypatch.setattr(engine, "LOCK", str(lock))
    lock.write_text("")  # as a run that was killed leaves it
    with engine.locked(3, clock, clock.sleep):
        began = clock()
        with pytest.raises(engine.Failed, match=words), engine.locked(3, clock, clock.sleep):
            raise AssertionError
        assert 3 <= clock() - began < 4
    assert not lock.exists()

    first = contextlib.ExitStack()
    first.enter_context(engine.locked(3, clock, clock.sleep))
    flock = engine.fcntl.flock

    def late(handle, how):
        first.close()  # deletes the file that is open already
        flock(handle, how)

    monkeypatch.setattr(engine.fcntl, "flock", late)
    with engine.locked(3, clock, clock.sleep):
        monkeypatch.setattr(engine.fcntl, "flock", flock)
        assert lock.exists()
        with pytest.raises(engine.Failed), engine.locked(0, clock, clock.sleep):
            raise AssertionError
    assert not lock.exists()


@pytest.mark.parametrize(
    "words",
    [
        "dpkg: error: dpkg frontend is locked by another process",  # 1.19, Ubuntu 18.04
        "dpkg: error: dpkg frontend lock was locked by another process with pid 9",  # 1.20, 1.21
        "dpkg: error: dpkg database lock was locked by /usr/bin/python3.13 process with pid 31",  # 1.22, Debian 13
        "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 9 (python3)",
        "E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another process using it?",
        "E: Unable to lock the administration directory (/var/lib/dpkg/), is another process using it?",
    ],
)
def test_a_locked_dpkg_is_waited_for(machine, words):
    answers = [(2, words), (0, "")]
    clock = Clock()
    transaction = engine.Transaction(parameters(machine), lambda *_a, **_k: answers.pop(0), clock, clock.sleep)
    assert transaction.patient(["dpkg"], 1) == (0, "")
    locked = engine.Transaction(parameters(machine), lambda *_a, **_k: (2, words), clock, clock.sleep)
    with pytest.raises(engine.Failed, match="another program has held the lock of dpkg for 3 s") as failed:
        locked.patient(["dpkg"], 1)
    assert failed.value.words == words


@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_dpkg_that_stays_locked_says_what_is_left(machine, state):
    held = "another program has held the lock of dpkg for 0 s; "
    if state == "absent":
        work(machine, parameters(machine))
    before, execute = tree(machine.root), machine.execute

    def busy(command, **more):
        wants = command[0] == "dpkg" and ("--install" in command or "--purge" in command)
        return (2, "dpkg: error: dpkg frontend is locked by another process") if wants else execute(command, **more)

    machine.execute = busy
    if state == "present":
        with pytest.raises(engine.Failed, match=held + "nothing was changed"):
            work(machine, parameters(machine, lock_timeout_seconds=0))
        assert not [line for line in machine.log if line.startswith("systemctl")]
    else:
        with pytest.raises(engine.Failed, match=held + "the package is still there, and the service is stopped and disabled"):
            engine.remove(parameters(machine, lock_timeout_seconds=0), False, busy)
    assert tree(machine.root) == before


def test_a_hold_of_the_package_outlives_a_change_and_its_way_back(machine, monkeypatch):
    work(machine, parameters(machine))
    seen = host.package
    monkeypatch.setattr(host, "package", lambda: (dict(seen()[0], status="hold ok installed"), "amd64"))
    machine.log = []
    work(machine, parameters(machine, "2"))
    held = [n for n, line in enumerate(machine.log) if line == "apt-mark hold hsflowd"]
    assert len(held) == 1 and "--install" in machine.log[held[0] - 1]
    machine.refuse, machine.log = "bad", []
    with pytest.raises(engine.Failed, match=BACK):
        work(machine, parameters(machine, "1", config="bad"))
    assert machine.log.count("apt-mark hold hsflowd") == 2


@pytest.mark.parametrize("half", [True, False])
def test_half_a_package_is_repaired_before_apt_is_asked_for_libraries(machine, monkeypatch, half):
    if half:
        seen = host.package
        monkeypatch.setattr(host, "package", lambda: (dict(seen()[0], status=seen()[0]["status"] or "install reinstreq half-installed"), "amd64"))
    work(machine, parameters(machine, libraries=["libx1"]))
    order = [line.split()[0] for line in machine.log if line.startswith(("apt-get", "dpkg --force-conf"))]
    assert order == (["dpkg", "apt-get"] if half else ["apt-get", "dpkg"])


def test_a_package_that_was_cut_short_is_not_given_to_dpkg(machine, tmp_path, monkeypatch):
    monkeypatch.setattr(engine.repacking, "whole", repacking_whole)
    with pytest.raises(engine.Failed, match="is not a whole Debian package, as after a download that was cut short; nothing was changed"):
        work(machine, parameters(machine))
    assert machine.package is None and not [line for line in machine.log if line.startswith("dpkg --")]


def test_the_proof_of_another_run_decides_about_its_change(module, machine):
    module(**arguments(machine))
    first = module(**arguments(machine, config=GOOD + "# A\n", keep_record=True))
    second = module(**arguments(machine, config=GOOD + "# B\n", keep_record=True))
    assert len({first["record"], second["record"]}) == 2
    refused = module(**arguments(machine, state="previous", record=first["record"]))
    assert refused["failed"] and refused["msg"] == "another run has changed this host since, so nothing was changed; the proof of that run decides"
    assert host.read(host.CONFIG) == (GOOD + "# B\n").encode()
    assert "failed" not in module(**arguments(machine, state="previous", record=second["record"]))
    assert host.read(host.CONFIG) == GOOD.encode()  # what was proved last


def test_a_file_that_cannot_be_changed_is_a_sentence(module, machine, monkeypatch):
    module(**arguments(machine))
    unlink = os.unlink

    def immutable(path):
        if path.endswith("netviz-log.conf"):
            raise PermissionError(1, "Operation not permitted", path)
        unlink(path)

    monkeypatch.setattr(engine.os, "unlink", immutable)
    said = module(**arguments(machine, state="absent"))
    assert said["failed"] and said["msg"].endswith("netviz-log.conf: Operation not permitted")


def test_the_configuration_before_an_interrupted_run_is_kept_and_not_that_of_the_run(machine):
    work(machine, parameters(machine))
    machine.interrupt = "systemctl --no-ask-password start"
    with pytest.raises(KeyboardInterrupt):
        work(machine, parameters(machine, config=GOOD + "# never proved\n"))
    machine.interrupt = ""
    work(machine, parameters(machine, config=GOOD + "# 3\n"))
    assert host.read(engine.PREVIOUS) == GOOD.encode()


def test_a_package_that_is_another_version_is_taken_back(machine):
    given = parameters(machine, "1")
    given["package_version"] = "9"
    with pytest.raises(engine.Failed, match="was installed and is hsflowd 1, not 9; the package was removed again"):
        work(machine, given)


@pytest.mark.parametrize(
    "more, sentence",
    [
        ({"collectors": [{"ip": "192.0.2.9", "udpport": 6343}]}, "the collector 192.0.2.9 port 6343 is not in effect"),
        ({"agent_address": "192.0.2.21"}, "the agent address is 192.0.2.20, not 192.0.2.21"),
        ({"sampling": 100}, "sampling is 400, not 100"),
        ({"polling": 5}, "polling is 20, not 5"),
        ({"modules": ["pcap", "docker"]}, "has not loaded mod_docker"),
    ],
)
def test_what_is_not_in_effect_is_a_failure(machine, more, sentence):
    with pytest.raises(engine.Failed, match=sentence):
        work(machine, parameters(machine, **more))
    assert machine.package is None


def test_removal_takes_what_it_said_it_would(machine):
    untouched = tree(machine.root)
    work(machine, parameters(machine))
    before, machine.log = tree(machine.root), []
    for check in (True, False):
        assert engine.remove(parameters(machine), check, machine.execute) == ["service", "package", "drop-ins", "config", "files", "enabled"]
        if check:
            assert (tree(machine.root), machine.log, machine.active) == (before, [], True)
    assert tree(machine.root) == untouched and not os.path.exists(host.STATE) and not os.path.exists(host.DROP_INS)
    assert (machine.package, machine.active, machine.enabled) == (None, False, False)
    assert "dpkg --force-remove-reinstreq --purge hsflowd" in machine.log and "systemctl daemon-reload" in machine.log
    machine.log = []
    assert engine.remove(parameters(machine), False, machine.execute) == [] and machine.log == []


def test_removal_keeps_what_it_is_told_to(machine):
    work(machine, parameters(machine))
    given = parameters(machine, keep_config=True)
    assert engine.remove(given, False, machine.execute) == ["service", "package", "drop-ins", "files", "enabled"]
    assert host.read(host.CONFIG) == GOOD.encode() and "dpkg --force-remove-reinstreq --remove hsflowd" in machine.log
    assert engine.remove(given, False, machine.execute) == []


def test_removal_leaves_a_package_that_is_not_its_own(machine):
    work(machine, parameters(machine))
    given = parameters(machine, package_manage=False)
    assert engine.remove(given, False, machine.execute) == ["service", "drop-ins", "files", "enabled"]
    assert machine.package == "1" and host.read(host.CONFIG) == GOOD.encode() and os.path.exists(host.AUTO)
    assert not machine.active and not machine.enabled


def test_a_removal_that_dpkg_refuses_is_said(machine):
    work(machine, parameters(machine))
    machine.breaks = "dpkg --force-remove-reinstreq --purge"
    with pytest.raises(engine.Failed, match="the package could not be removed; .* is stopped and disabled") as failed:
        engine.remove(parameters(machine), False, machine.execute)
    assert failed.value.words == "broken on purpose" and host.read(host.CONFIG) == GOOD.encode()


@pytest.fixture
def slow(machine, monkeypatch):
    """A daemon that has loaded its modules and has not said yet what is in effect."""
    monkeypatch.setattr(engine.Transaction, "written", staticmethod(lambda _began: False))
    return machine


def test_where_a_proof_follows_the_daemon_is_not_waited_for(slow):
    for more in ({}, {"keep_record": True, "settle": True}):
        with pytest.raises(engine.Failed, match="hsflowd.auto is not complete"):
            work(slow, parameters(slow, agent_address="192.0.2.7", **more))
    made = work(slow, parameters(slow, agent_address="192.0.2.7", keep_record=True))
    assert made.changes[-1] == "service" and os.path.exists(host.PENDING)
    assert made.foreseen == {
        "exists": True,
        "complete": True,
        "agent_ip": "192.0.2.7",
        "agent_device": None,
        "collectors": [{"ip": "192.0.2.1", "udpport": 6343}],
        "sampling": 400,
        "polling": 20,
    }


def test_where_a_proof_follows_one_look_at_the_daemon_is_enough(machine, monkeypatch):
    looks, clock = [], Clock()
    began = clock()

    def unit():
        looks.append(clock() - began)
        return {"active_state": "active", "n_restarts": 0, "result": "success", "main_pid": 311, "running_seconds": clock() - began}

    given = parameters(machine, agent_address="192.0.2.7", keep_record=True)
    monkeypatch.setattr(host, "unit", unit)
    assert engine.Transaction(given, machine.execute, clock, clock.sleep).ready(began, 0)["complete"]
    assert looks == [pytest.approx(engine.FORESEEN_GRACE_SECONDS)]


def test_where_a_proof_follows_a_module_that_is_not_loaded_is_a_failure_all_the_same(slow):
    with pytest.raises(engine.Failed, match="has not loaded mod_docker"):
        work(slow, parameters(slow, agent_address="192.0.2.7", keep_record=True, modules=["docker"]))


@pytest.mark.parametrize(
    "more",
    [
        {"agent_address": None},
        {"sampling": None},
        {"polling": None},
        {"collectors": []},
        {"collectors": [{"ip": "collector.example.com", "udpport": 6343}]},
        {"dns_sd": "_sflow._udp"},
    ],
)
def test_what_depends_on_more_than_the_file_is_not_foreseen(machine, more):
    given = parameters(machine, agent_address="192.0.2.7")
    assert engine.foresee(given)
    assert engine.foresee(dict(given, **more)) is None


def test_of_a_daemon_that_ended_before_it_was_proved_it_is_said(machine):
    work(machine, parameters(machine))
    made = work(machine, parameters(machine, config=GOOD + "\n", agent_address="192.0.2.7", keep_record=True))
    machine.active, machine.refuse = False, "the weather"
    left = made.go_back("remove")
    assert left == (
        "the old configuration is back and the service is active; "
        "the daemon that could not be proved had ended (failed, success) and had said: it does not like the weather"
    )


def test_a_daemon_without_a_module_is_restarted(machine, monkeypatch):
    """It could not load it at its start; meanwhile somebody installed the library."""
    work(machine, parameters(machine))
    monkeypatch.setattr(host, "mapped", lambda _pid: ["pcap"] if "systemctl reset-failed hsflowd.service" in machine.log else ["tcp"])
    machine.log = []
    assert work(machine, parameters(machine)).changes == ["service"]
    monkeypatch.setattr(host, "mapped", lambda _pid: [])  # not root
    assert work(machine, parameters(machine)).changes == []


def test_libraries_that_were_installed_stay_and_it_is_said(machine):
    work(machine, parameters(machine))
    machine.reject = "bad"
    with pytest.raises(engine.Failed, match="nothing else was changed, and the libraries libx1, liby2 stay"):
        work(machine, parameters(machine, config="bad", libraries=["libx1", "liby2"]))
    machine.breaks = "apt-get"
    with pytest.raises(engine.Failed, match="could not be installed.*; nothing was changed"):
        work(machine, parameters(machine, libraries=["libx1"]))


def test_a_pid_file_that_nobody_holds_is_removed(machine):
    with open(engine.PID_FILE, "w") as stream:
        stream.write("99999999\n")
    work(machine, parameters(machine))
    assert not os.path.exists(engine.PID_FILE)


def test_a_full_disk_is_said_and_nothing_is_changed(machine, monkeypatch):
    def full(path, *_rest):
        raise OSError(28, "No space left on device", path)

    monkeypatch.setattr(engine, "write", full)
    with pytest.raises(engine.Failed, match="No space left on device.*nothing was changed"):
        work(machine, parameters(machine))
    assert machine.log == []


def test_a_file_is_replaced_in_one_step(tmp_path, monkeypatch):
    def full(*_paths):
        raise OSError(28, "No space left on device")

    path = str(tmp_path / "a" / "b")
    engine.write(path, b"1")
    monkeypatch.setattr(engine.os, "rename", full)
    with pytest.raises(OSError):
        engine.write(path, b"2")
    assert host.read(path) == b"1" and os.listdir(str(tmp_path / "a")) == ["b"]


def test_with_dns_sd_the_first_question_is_waited_for_and_named(machine, monkeypatch):
    monkeypatch.setattr(engine.Transaction, "written", staticmethod(lambda _began: False))
    expected = "after 45 s: .*is not complete, so the DNS gave no collector for the SRV record _sflow._udp.example.com"
    with pytest.raises(engine.Failed, match=expected):
        work(machine, parameters(machine, dns_sd="_sflow._udp.example.com", collectors=[]))
    with pytest.raises(engine.Failed, match="after 60 s"):
        work(machine, parameters(machine, dns_sd="_sflow._udp", collectors=[], ready_timeout_seconds=60))


# The module


MODULE = "ansible_collections.netviz.sflow.plugins.modules.hsflowd_apply"


class Ended(Exception):
    pass


@pytest.fixture
def module(machine, tmp_path_factory, monkeypatch):
    """A function that runs the module on the machine with arguments and returns its result."""
    hsflowd_apply = pytest.importorskip(MODULE, reason="no ansible-core is installed for this Python")
    beside = str(tmp_path_factory.mktemp("module"))
    clock = Clock()
    monkeypatch.setattr(host, "observe", lambda: {"auto": None})
    monkeypatch.setattr(hsflowd_apply.os, "geteuid", lambda: 0)
    for function in (engine.remove, engine.validate):
        monkeypatch.setattr(function, "__defaults__", (machine.execute,))
    monkeypatch.setattr(engine.Transaction.__init__, "__defaults__", (machine.execute, clock, clock.sleep))

    def run(check_mode=False, **given):
        result = {"warnings": []}

        class Module:
            tmpdir = beside

            def __init__(self, argument_spec, supports_check_mode, **_more):
                assert supports_check_mode
                self.params = {name: option.get("default") for name, option in argument_spec.items()}
                self.params.update(given)
                self.check_mode = check_mode

            def warn(self, sentence):
                result["warnings"].append(sentence)

            def exit_json(self, **more):
                result.update(more)
                raise Ended

            def fail_json(self, **more):
                self.exit_json(failed=True, **more)

        monkeypatch.setattr(hsflowd_apply, "AnsibleModule", Module)
        with pytest.raises(Ended):
            hsflowd_apply.main()
        return result

    return run


def arguments(machine, **more):
    """With the package within them, as the action sends it."""
    given = parameters(machine, **more)
    given["package_data"] = base64.b64encode(host.read(given.pop("package_file"))).decode()
    return given


def test_a_prediction_names_what_the_run_does_then(module, machine):
    before = tree(machine.root)
    foreseen = module(True, **arguments(machine))
    assert tree(machine.root) == before and machine.log == []
    done = module(warnings=["a release of its own"], **arguments(machine))
    assert foreseen["changed"] and done["changed"] and foreseen["changes"] == done["changes"] and foreseen["diff"] == done["diff"]
    assert done["version_before"] is None and done["warnings"] == ["a release of its own"]
    assert done["observed"] == {"auto": None} and done["auto"]["agent_ip"] == "192.0.2.20" and "awaited" not in done
    again = module(**arguments(machine))
    assert (again["changed"], again["changes"], again["observed"]) == (False, [], {"auto": None})
    assert module(**arguments(machine, version="2"))["version_before"] == "1"


def test_who_is_not_root_is_told_what_is_missing(module, machine, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for check in True, False:
        told = module(check, **arguments(machine))
        assert told["failed"] and "set ansible_become: true" in told["msg"] and machine.log == []


def test_a_lock_that_cannot_be_made_is_told(module, machine, monkeypatch):
    monkeypatch.setattr(engine, "LOCK", os.path.join(str(machine.root), "nowhere", "lock"))
    told = module(**arguments(machine))
    assert told["failed"] and "nowhere/lock could not be written (No such file or directory), so nothing was changed" in told["msg"]
    assert machine.log == []


def test_a_host_that_another_run_changes_is_left_to_it(module, machine):
    for state in "present", "absent", "previous":
        with engine.locked(0):
            barred = module(**arguments(machine, state=state, lock_timeout_seconds=0))
            assert barred["failed"] and barred["msg"].startswith("another run has been changing"), state
            assert machine.log == [] and machine.package is None
            assert module(True, **arguments(machine, lock_timeout_seconds=0))["changed"]  # a prediction need not wait
    assert module(**arguments(machine))["changed"]


def test_where_a_proof_follows_it_is_said_what_to_wait_for(module, machine):
    module(**arguments(machine))
    done = module(**arguments(machine, config=GOOD + "# 2\n", keep_record=True, polling=20, agent_address="192.0.2.20"))
    assert done["awaited"] == {
        "collectors": [{"ip": "192.0.2.1", "udpport": 6343}], "agent_address": "192.0.2.20", "sampling": 400, "polling": 20, "seconds": 2,
    }
    assert done["observed"]["auto"] == done["auto"]


def test_a_package_with_another_sum_is_not_installed(module, machine):
    found = hashlib.sha256(b"1").hexdigest()
    refused = module(package_sha256="0" * 64, **arguments(machine))
    assert refused["failed"] and refused["msg"] == "the package has the sha256 %s, not %s; nothing was installed" % (found, "0" * 64)
    assert machine.package is None and machine.log == []
    assert module(package_sha256=found.upper(), **arguments(machine))["changed"] and machine.package == "1"


def test_a_prediction_asks_the_daemon_that_is_there(module, machine):
    module(**arguments(machine))
    before, machine.reject = tree(machine.root), "bad"
    refused = module(True, **arguments(machine, config="bad"))
    assert refused["failed"] and refused["msg"].startswith("hsflowd rejects the configuration. It said: parse error")
    assert tree(machine.root) == before
    assert module(True, **arguments(machine, config=GOOD + "# 2\n"))["changes"] == ["config", "service"]


def test_no_package_and_none_given(module, machine):
    given = dict(arguments(machine), package_data=None)
    assert module(**given)["msg"] == "no package was given, and hsflowd 1 is not installed"


def test_the_module_removes_and_goes_back_as_predicted(module, machine):
    module(**arguments(machine))
    module(**arguments(machine, config=GOOD + "# 2\n", keep_record=True))
    before = tree(machine.root)
    assert module(True, **arguments(machine, state="previous"))["changed"] and tree(machine.root) == before
    back = module(**arguments(machine, state="previous"))
    assert back["left"] == "the old configuration is back and the service is active" and machine.running == GOOD
    for check_mode in (True, False):
        assert module(check_mode, **arguments(machine, state="previous"))["msg"] == "there is no record of the state before, so nothing was changed"
    before = tree(machine.root)
    foreseen = module(True, **arguments(machine, state="absent"))
    assert tree(machine.root) == before and machine.package == "1"
    done = module(**arguments(machine, state="absent"))
    assert foreseen == done and done["changed"] and done["version_before"] == "1" and machine.package is None
    assert module(**arguments(machine, state="absent")) == {
        "warnings": [], "changed": False, "changes": [], "diff": [], "version_before": None,
    }
