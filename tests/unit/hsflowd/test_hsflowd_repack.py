# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A package made of one that is installed. Here dpkg's answers are pretence and dpkg-deb is real; molecule's upgrade has both real."""

import hashlib
import os
import shutil
import subprocess

import pytest
from ansible_collections.netviz.sflow.plugins.module_utils import _hsflowd_repack as repacking

STATUS = """\
Package: hsflowd
Status: install ok installed
Priority: optional
Version: 2.0.53-1
Config-Version: 2.0.52-1
Conffiles:
 /etc/hsflowd.conf 0123456789abcdef0123456789abcdef
 /etc/gone.conf fedcba9876543210fedcba9876543210
Architecture: all
Maintainer: nobody <nobody@example.net>
Description: sFlow agent
 It samples.
 .
 And it counts.
"""


def test_the_control_fields_are_those_of_the_package():
    kept = repacking.fields(STATUS)
    assert "Status" not in kept and "gone.conf" not in kept and "Config-Version" not in kept
    assert kept.endswith("Description: sFlow agent\n It samples.\n .\n And it counts.\n")
    assert kept.splitlines()[:3] == ["Package: hsflowd", "Priority: optional", "Version: 2.0.53-1"]


@pytest.fixture
def installed(tmp_path):
    """A host where /lib is a link, and a package that does not name it; (its files as dpkg lists them, what answers for dpkg-query)."""
    root = tmp_path / "host"
    (root / "usr/lib/systemd").mkdir(parents=True)
    os.chmod(str(root / "usr/lib/systemd"), 0o755)
    (root / "lib").symlink_to("usr/lib")
    (root / "usr/lib/systemd/hsflowd.service").write_text("[Service]\n")
    (root / "etc").mkdir()
    (root / "etc/hsflowd.conf").write_text("edited by hand\n")
    (root / "hsflowd").write_text("program")
    os.chmod(str(root / "hsflowd"), 0o700)
    (root / "alias").symlink_to("hsflowd")
    control = tmp_path / "info"
    control.mkdir()
    names = ("etc", "etc/hsflowd.conf", "etc/gone.conf", "etc/same.conf", "etc/obsolete.conf", "hsflowd", "alias", "lib/systemd", "lib/systemd/hsflowd.service")
    listed = ["/."] + [str(path) for path in reversed(root.parents) if str(path) != "/"] + [str(root)] + ["%s/%s" % (root, name) for name in names]
    (root / "etc/same.conf").write_text("as it came\n")
    (root / "etc/obsolete.conf").write_text("of the release before\n")
    same = hashlib.md5(b"as it came\n").hexdigest()
    rows = ("hsflowd.conf " + "0" * 32, "gone.conf " + "1" * 32, "same.conf " + same, "obsolete.conf " + "2" * 32 + " obsolete")
    conffiles = "".join("\n %s/etc/%s" % (root, row) for row in rows)
    # dpkg-query --control-path names neither of the two that are dpkg's own.
    (control / "hsflowd.conffiles").write_text("%s/etc/hsflowd.conf\n%s/etc/gone.conf\n%s/etc/same.conf\n" % (root, root, root))
    (control / "hsflowd.list").write_text("/.\n")
    (control / "hsflowd.postinst").write_text("#!/bin/sh\n")
    (control / "hsflowd.md5sums").write_text("0  x\n")

    def execute(command, timeout=0):
        if "--listfiles" in command:
            return 0, "\n".join(listed) + "\n"
        if "--status" in command:
            return 0, STATUS
        if "--control-path" in command:
            return 0, "".join("%s\n" % path for path in sorted(control.iterdir()) if path.suffix not in (".list", ".conffiles"))
        if "${Conffiles}" in command:
            return 0, conffiles
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return done.returncode, done.stdout.decode()

    return root, listed, execute


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="there is no dpkg-deb on this machine")
def test_the_package_holds_what_the_host_has(installed, tmp_path):
    root, _listed, execute = installed
    state = tmp_path / "state"
    (state / "repack-killed" / "tree").mkdir(parents=True)
    umask = os.umask(0o077)
    try:
        repacking.repack(str(state / "made.deb"), execute)
    finally:
        os.umask(umask)
    assert os.listdir(str(state)) == ["made.deb"]
    shown = subprocess.check_output(["dpkg-deb", "--contents", str(state / "made.deb")]).decode().splitlines()
    modes = {line.split()[5].rstrip("/"): line.split()[0] for line in shown}
    inside = ".%s/" % root
    assert modes["."] == "drwxr-xr-x" and modes[inside + "lib"].startswith("d") and modes[inside + "lib/systemd"] == "drwxr-xr-x"
    assert modes[inside + "hsflowd"] == "-rwx------" and modes[inside + "alias"].startswith("l")
    assert inside + "etc/gone.conf" not in modes and inside + "etc/obsolete.conf" not in modes
    subprocess.check_call(["dpkg-deb", "--raw-extract", str(state / "made.deb"), str(tmp_path / "out")])
    out = tmp_path / "out"
    assert sorted(os.listdir(str(out / "DEBIAN"))) == ["conffiles", "control", "postinst"]
    assert (out / "DEBIAN/conffiles").read_text() == "%s/etc/hsflowd.conf\n%s/etc/same.conf\n" % (root, root)
    # To dpkg one that was edited must not be the one of its package, or the next upgrade replaces it.
    assert (out / str(root)[1:] / "etc/hsflowd.conf").read_text() == "edited by hand\n\n"
    assert (out / str(root)[1:] / "etc/same.conf").read_text() == "as it came\n"
    assert (root / "etc/hsflowd.conf").read_text() == "edited by hand\n"


def test_what_is_diverted_is_not_packed(installed, tmp_path):
    _root, listed, execute = installed
    listed.append("diverted by local to: /usr/sbin/hsflowd.real")
    with pytest.raises(repacking.Impossible, match="diverted"):
        repacking.repack(str(tmp_path / "made.deb"), execute)
    assert not [name for name in os.listdir(str(tmp_path)) if name.startswith("repack-") or name == "made.deb"]


def test_what_a_killed_run_left_is_swept(tmp_path):
    (tmp_path / "repack-x" / "tree").mkdir(parents=True)
    (tmp_path / "hsflowd_1.deb").write_text("")
    repacking.sweep(str(tmp_path))
    assert os.listdir(str(tmp_path)) == ["hsflowd_1.deb"]
