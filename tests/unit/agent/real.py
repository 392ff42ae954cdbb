# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask an installed or unpacked hsflowd, the real one or the stand-in, whether it takes a configuration."""

import os
import shutil
import subprocess

import packages

REFUSED = "failed to read config file"
TAKEN = "failed to read interfaces"
PACKAGES = packages.from_environment()
NONE_GIVEN = "HSFLOWD_DEB names no real package"
release_of = packages.release_of


def can_ask():
    """Whether this process may make a mount namespace."""
    if shutil.which("unshare") is None:
        return False
    return (
        subprocess.run(
            ["unshare", "-m", "true"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False
        ).returncode
        == 0
    )


def unpack(package, directory):
    """Unpack a .deb and return the path of its daemon."""
    subprocess.run(["dpkg-deb", "-x", str(package), str(directory)], check=True)
    return os.path.join(str(directory), "usr/sbin/hsflowd")


def takes(daemon, config):
    """(True or False, output): with an empty /proc a good configuration ends at the scan of the interfaces."""
    script = 'mount -t tmpfs none /proc && exec timeout 2 "$0" -d -f "$1" -p /nonexistent -o /dev/null -l /nonexistent'
    command = ["unshare", "-m", "--propagation", "private", "sh", "-c", script, daemon, str(config)]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    output = run.stdout.decode("utf-8", "replace") + run.stderr.decode("utf-8", "replace")
    if REFUSED in output or run.returncode == 11:  # 11: a crash, as some releases do on a bad regular expression
        return False, output
    if TAKEN in output or run.returncode == 124:  # DNS-SD and SONiC go on without interfaces
        return True, output
    raise AssertionError("no verdict from %s, status %d: %s" % (daemon, run.returncode, output))
