# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After the removal the host is as it was before the installation."""


def test_every_file_is_as_it_was(host):
    assert host.check_output("test -s /root/before && diff /root/before /root/after") == ""


def test_no_daemon_runs(host):
    assert host.run("pgrep -x hsflowd").rc == 1
    assert host.run("systemctl is-active hsflowd").stdout.strip() in ("inactive", "unknown")
    assert host.run("systemctl list-units --all --no-legend 'hsflowd*'").stdout == ""


def test_dpkg_has_forgotten_it(host):
    assert host.run("dpkg-query -W hsflowd").rc == 1
