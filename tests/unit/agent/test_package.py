# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The package has upstream's shape, and its modules are shared objects that the loader judges."""

import ctypes
import os
import platform
import shutil
import stat
import subprocess

import build
import elfso
import pytest
import real

RELEASES = ("2.0.25-3", "2.0.53-1", "2.1.25-4")
on_amd64 = pytest.mark.skipif(platform.machine() != "x86_64", reason="loads amd64 code")


def run(*command):
    return subprocess.run(
        command, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True
    ).stdout


def build_package(tmp_path, version, target="debian12", arch="amd64"):
    build.main(["--version", version, "--platform", target, "--arch", arch, "--out", str(tmp_path)])
    return tmp_path / build.asset_name(version, target, arch)


def test_same_input_same_bytes(tmp_path):
    first = build_package(tmp_path / "a", "2.0.53-1").read_bytes()
    assert build_package(tmp_path / "b", "2.0.53-1").read_bytes() == first


@pytest.mark.parametrize(
    ("version", "arch", "name", "field"),
    [
        ("2.0.53-1", "amd64", "hsflowd-ubuntu18_2.0.53-1_amd64.deb", "all"),
        ("2.0.53-1", "arm64", "hsflowd-ubuntu18_2.0.53-1_aarch64.deb", "all"),
        ("2.1.14-2", "amd64", "hsflowd-ubuntu18_2.1.14-2_amd64.deb", "all"),
        ("2.1.15-1", "amd64", "hsflowd-ubuntu18_2.1.15-1_amd64.deb", "amd64"),
        ("2.1.25-4", "arm64", "hsflowd-ubuntu18_2.1.25-4_arm64.deb", "arm64"),
    ],
)
def test_names_and_architecture(tmp_path, version, arch, name, field):
    package = build_package(tmp_path, version, "ubuntu18", arch)
    assert package.name == name
    assert run("dpkg-deb", "-f", str(package), "Architecture").strip() == field
    assert run("dpkg-deb", "-f", str(package), "Version").strip() == version


@pytest.mark.parametrize("version", RELEASES)
def test_control_says_what_it_is(tmp_path, version):
    package = build_package(tmp_path, version)
    assert "STAND-IN" in run("dpkg-deb", "-f", str(package), "Description")
    assert run("dpkg-deb", "-f", str(package), "Depends").strip() == ""
    conffiles = run("dpkg-deb", "-I", str(package), "conffiles").split()
    assert conffiles == ["/etc/hsflowd.conf", "/etc/dbus-1/system.d/net.sflow.hsflowd.conf"]
    for script in ("preinst", "postinst", "prerm"):
        lines = [line for line in run("dpkg-deb", "-I", str(package), script).splitlines() if line[:1] != "#"]
        assert lines == ["exit 0"]


def listing(package):
    """Path -> mode of the regular files."""
    found = {}
    for line in run("dpkg-deb", "-c", str(package)).splitlines():
        words = line.split()
        if words[0][0] == "-":
            found[words[5]] = words[0]
    return found


def test_files(tmp_path):
    files = listing(build_package(tmp_path, "2.0.53-1"))
    assert files["./usr/sbin/hsflowd"] == "-rwx------"
    assert files["./etc/hsflowd.conf"] == "-rw-r--r--"
    assert files["./etc/hsflowd/modules/mod_pcap.so"] == "-rwxr-xr-x"
    assert "./etc/init.d/hsflowd" in files
    assert "./etc/init.d/hsflowd" not in listing(build_package(tmp_path, "2.1.23-1"))


@pytest.mark.skipif(not real.PACKAGES, reason=real.NONE_GIVEN)
@pytest.mark.parametrize("target", sorted(real.PACKAGES))
def test_files_are_those_of_the_real_package(tmp_path, target):
    stand_in = build_package(tmp_path, real.release_of(real.PACKAGES[target]), target)
    assert listing(stand_in) == listing(real.PACKAGES[target])


def test_modules_follow_the_platform():
    assert "dropmon" not in build.features("ubuntu18", "2.0.53-1")
    assert "dropmon" in build.features("ubuntu20", "2.0.53-1")
    assert "containerd" not in build.features("debian11", "2.0.25-3")
    assert "epcap" in build.features("ubuntu24", "2.1.25-4")
    assert "epcap" not in build.features("ubuntu24", "2.0.53-1")


def test_unit_is_installed_but_not_enabled(built):
    root = built("2.0.53-1")
    unit = (root / "lib/systemd/system/hsflowd.service").read_text()
    assert "ExecStart=/usr/sbin/hsflowd -m %m -d\n" in unit
    assert "Restart" not in unit
    assert not (root / "etc/systemd").exists()


def test_version_says_what_it_is(built):
    daemon = built("2.0.53-1") / "usr/sbin/hsflowd"
    for option in ("-v", "--version"):
        assert "version 2.0.53 (stand-in" in run(str(daemon), option)
    assert "STAND-IN" in daemon.read_text().split("import")[0]
    assert stat.S_IMODE(daemon.stat().st_mode) == 0o700


@on_amd64
def test_loader_takes_the_module(tmp_path):
    path = tmp_path / "mod_tcp.so"
    path.write_bytes(elfso.shared_object("mod_tcp.so", "mod_tcp", ["libc.so.6"]))
    handle = ctypes.CDLL(str(path), mode=os.RTLD_NOW)
    handle.mod_tcp()
    with open("/proc/self/maps") as maps:
        assert str(path) in maps.read()
    with pytest.raises(AttributeError):
        handle.mod_pcap  # noqa: B018 - the look-up is what fails


@on_amd64
def test_loader_refuses_a_module_whose_library_is_missing(tmp_path):
    path = tmp_path / "mod_pcap.so"
    path.write_bytes(elfso.shared_object("mod_pcap.so", "mod_pcap", ["libnosuchthing.so.7", "libc.so.6"]))
    with pytest.raises(OSError, match=r"libnosuchthing\.so\.7"):
        ctypes.CDLL(str(path), mode=os.RTLD_NOW)


@on_amd64
def test_ldd_names_the_libraries(tmp_path):
    path = tmp_path / "mod_pcap.so"
    path.write_bytes(elfso.shared_object("mod_pcap.so", "mod_pcap", ["libnosuchthing.so.7", "libc.so.6"]))
    path.chmod(0o755)
    lines = [line.split() for line in run("ldd", str(path)).splitlines()]
    assert ["libnosuchthing.so.7", "=>", "not", "found"] in lines
    assert any(line[:2] == ["libc.so.6", "=>"] for line in lines)


@pytest.mark.skipif(shutil.which("readelf") is None, reason="needs readelf")
@pytest.mark.parametrize(("arch", "machine"), [("amd64", "X86-64"), ("arm64", "AArch64")])
def test_readelf_reads_it(tmp_path, arch, machine):
    path = tmp_path / "mod_kvm.so"
    path.write_bytes(elfso.shared_object("mod_kvm.so", "mod_kvm", ["libvirt.so.0", "libxml2.so.2"], arch))
    shown = subprocess.run(
        ["readelf", "-hdW", "--dyn-syms", str(path)],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )
    assert shown.stderr == ""
    assert machine in shown.stdout
    for word in ("[libvirt.so.0]", "[libxml2.so.2]", "[mod_kvm.so]"):
        assert word in shown.stdout


@pytest.mark.parametrize("version", ["2", "latest", "2.0.53-1; rm"])
def test_bad_version_is_refused(tmp_path, version, capsys):
    with pytest.raises(SystemExit):
        build.main(["--version", version, "--platform", "ubuntu18", "--out", str(tmp_path)])
    assert "must look like" in capsys.readouterr().err
