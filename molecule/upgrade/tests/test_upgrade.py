# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After an upgrade, a downgrade that failed, and one that did not: the older release runs, and nothing is left over."""


def test_dpkg_is_content(host):
    assert host.check_output("dpkg --audit") == ""
    assert host.check_output("dpkg-query -W -f '${db:Status-Abbrev}' hsflowd") == "ii "


def test_the_running_program_is_the_installed_one(host):
    pid = host.check_output("systemctl show -p MainPID --value hsflowd")
    maps = host.check_output("cat /proc/%s/maps", pid)
    assert "mod_pcap.so" in maps and "mod_pcap.so (deleted)" not in maps
    assert "sbin/hsflowd (deleted)" not in maps


def test_only_the_package_of_the_installed_release_is_kept(host):
    version = host.check_output("dpkg-query -W -f '${Version}' hsflowd")
    assert host.file("/var/lib/netviz-sflow").listdir() == [f"hsflowd_{version}.deb"]


def test_no_file_of_dpkg_or_of_a_change_is_left(host):
    assert host.run(r"ls -A /etc | grep -E '^\.hsflowd|hsflowd.*dpkg'").stdout == ""


def test_the_edit_by_hand_is_gone(host):
    assert "edited by hand" not in host.file("/etc/hsflowd.conf").content_string
