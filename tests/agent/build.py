# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the stand-in hsflowd package: same name, paths and behaviour at install time as upstream's.

    python3 tests/agent/build.py --version 2.0.53-1 --platform ubuntu18 --arch amd64 --out DIR

writes DIR/hsflowd-ubuntu18_2.0.53-1_amd64.deb and prints its path; several releases
and platforms may be named. Same input, same bytes. Standard library only: a .deb is an ar archive of two tar files.
"""

import argparse
import gzip
import hashlib
import io
import os
import re
import sys
import tarfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import elfso
import hsflowd_standin

HERE = os.path.dirname(os.path.abspath(__file__))
EPOCH = 1577836800  # 2020-01-01: every file has this time, so that the package is reproducible

OLD_LIBSSL = ("ubuntu18", "ubuntu20", "debian10", "debian11")
SMALL = ["nflog", "pcap", "tcp", "docker", "kvm", "ovs", "dbus", "systemd"]
MIDDLE = SMALL + ["dropmon", "psample", "dent", "containerd"]
FEATURES = {
    "ubuntu14": SMALL,
    "ubuntu16": SMALL,
    "ubuntu18": SMALL,
    "ubuntu20": MIDDLE,
    "ubuntu22": MIDDLE,
    "ubuntu24": MIDDLE + ["epcap"],
    "debian10": MIDDLE,
    "debian11": MIDDLE,
    "debian12": MIDDLE,
    "debian13": MIDDLE + ["epcap"],
}


def features(platform, version):
    """Modules in the package of this platform, as far as the release has them."""
    release = hsflowd_standin.version_key(version)
    names = ["json", "dnssd"] + FEATURES[platform]
    first = hsflowd_standin.OBJECTS
    return sorted(name for name in names if release >= hsflowd_standin.version_key(first.get(name, "0")))


def needed_libraries(module, platform, version):
    """What the real module of this platform and release is linked to."""
    release = hsflowd_standin.version_key(version)
    old = release < hsflowd_standin.version_key("2.0.26-1")
    crypto = "libcrypto.so.1.1" if platform in OLD_LIBSSL else "libcrypto.so.3"
    needed = {
        "pcap": ["libpcap.so.0.8"],
        "nflog": ["libnfnetlink.so.0"],
        "kvm": ["libvirt.so.0", "libxml2.so.2"],
        "dbus": ["libdbus-1.so.3"],
        "systemd": ["libdbus-1.so.3", crypto] if old else ["libdbus-1.so.3", "libuuid.so.1"],
        "containerd": ["libm.so.6", crypto],
        "docker": [] if old else ["libm.so.6"],
        "dnssd": ["libresolv.so.2"] if old else [],
        "epcap": ["libbpf.so.1", "libelf.so.1", "libz.so.1"],
    }.get(module, [])
    if module == "systemd" and release >= hsflowd_standin.version_key("2.1.03-1"):
        needed = needed + [crypto]
    return needed + ["libc.so.6"]


def package_arch(version, arch):
    """The Architecture field: 'all' before 2.1.15-1, although the file name says otherwise."""
    new = hsflowd_standin.version_key(version) >= hsflowd_standin.version_key("2.1.15-1")
    return arch if new else "all"


def asset_name(version, platform, arch):
    """Upstream's file name; before 2.1.15-1 it carries the kernel's word for the machine, except for amd64."""
    new = hsflowd_standin.version_key(version) >= hsflowd_standin.version_key("2.1.15-1")
    word = arch if new or arch == "amd64" else {"arm64": "aarch64"}[arch]
    return "hsflowd-%s_%s_%s.deb" % (platform, version, word)


DEFAULT_CONF = """\
# hsflowd configuration file
# This one came with the stand-in package of the netviz.sflow tests.

sflow {
  # ====== Sampling and polling ======
  #   polling = 30
  #   sampling = 400
%(ratio)s  # ====== Collectors ======
  collector { ip=127.0.0.1 udpport=6343 }
  # ====== Modules ======
  #   pcap { dev = eth0 }
  #   tcp { }
}
"""

UNIT = """\
[Unit]
Description=Host sFlow
After=network.target remote-fs.target nss-lookup.target

[Service]
Type=simple
ExecStart=/usr/sbin/hsflowd -m %m -d
TimeoutStopSec=10

[Install]
WantedBy=multi-user.target
"""

DBUS_POLICY = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <policy user="root">
    <allow own="net.sflow.hsflowd"/>
    <allow send_destination="net.sflow.hsflowd"/>
  </policy>
</busconfig>
"""

INIT_SCRIPT = """\
#!/bin/sh
### BEGIN INIT INFO
# Provides:          hsflowd
# Required-Start:    $network $remote_fs
# Required-Stop:     $network $remote_fs
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: stand-in for the Host sFlow agent
### END INIT INFO
PID=/var/run/hsflowd.pid
case "$1" in
  start) /usr/sbin/hsflowd ;;
  stop) [ -f "$PID" ] && kill "$(cat "$PID")" ;;
  restart) "$0" stop; sleep 1; "$0" start ;;
  status) [ -f "$PID" ] && kill -0 "$(cat "$PID")" ;;
  *) echo "Usage: $0 start|stop|restart|status" >&2; exit 1 ;;
esac
"""

CONTROL = """\
Package: hsflowd
Version: %(version)s
Section: admin
Priority: optional
Architecture: %(arch)s
Essential: no
Maintainer: netviz.sflow contributors <netviz.sflow@example.com>
Description: STAND-IN for the sFlow(R) monitoring agent, for tests only
 This is not the real Host sFlow agent. It is a small Python program of the
 netviz.sflow test suite that behaves like release %(version)s for %(platform)s
 in the ways that the tests look at.
Homepage: https://sflow.net
"""

CONFFILES = "/etc/hsflowd.conf\n/etc/dbus-1/system.d/net.sflow.hsflowd.conf\n"
SCRIPT = "#!/bin/sh\n# does nothing, like upstream's: no enable, no start, no stop\nexit 0\n"


def daemon(version):
    """The program with its release written in."""
    with open(os.path.join(HERE, "hsflowd_standin.py"), encoding="utf-8") as handle:
        text = handle.read()
    text, count = re.subn(r'^VERSION = ".*?"', 'VERSION = "%s"' % version, text, flags=re.M)
    if count != 1:
        raise SystemExit("hsflowd_standin.py: expected one VERSION line, found %d" % count)
    # isolated and without site: quick to start, and nothing of the host gets in
    return "#!/usr/bin/python3 -IS\n" + text


def contents(version, platform, arch):
    """Path -> (mode, bytes) of the files that get installed."""
    release = hsflowd_standin.version_key(version)
    ratio = "  #   sampling.bps_ratio = 1000000\n" if release >= hsflowd_standin.version_key("2.0.48-1") else ""
    files = {
        "etc/hsflowd.conf": (0o644, DEFAULT_CONF % {"ratio": ratio}),
        "etc/dbus-1/system.d/net.sflow.hsflowd.conf": (0o644, DBUS_POLICY),
        "lib/systemd/system/hsflowd.service": (0o644, UNIT),
        "usr/sbin/hsflowd": (0o700, daemon(version)),
    }
    if release < hsflowd_standin.version_key("2.1.23-1"):
        files["etc/init.d/hsflowd"] = (0o755, INIT_SCRIPT)
    files = {path: (mode, text.encode("utf-8")) for path, (mode, text) in files.items()}
    for name in features(platform, version):
        needed = needed_libraries(name, platform, version)
        data = elfso.shared_object("mod_%s.so" % name, "mod_" + name, needed, arch)
        files["etc/hsflowd/modules/mod_%s.so" % name] = (0o755, data)
    return files


def tar_gz(files, directories=()):
    """A gzip-compressed tar with sorted members, one owner and one time."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path in directories:
            tar.addfile(_member(path, 0o755, tarfile.DIRTYPE))
        for path in sorted(files):
            mode, data = files[path]
            member = _member(path, mode, tarfile.REGTYPE)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=EPOCH) as stream:
        stream.write(raw.getvalue())
    return packed.getvalue()


def _member(path, mode, kind):
    member = tarfile.TarInfo("./" + path if path else "./")
    member.type = kind
    member.mode = mode
    member.mtime = EPOCH
    member.uname = member.gname = "root"
    return member


def parents(paths):
    found = {""}
    for path in paths:
        while "/" in path:
            path = path.rsplit("/", 1)[0]
            found.add(path)
    return sorted(found)


def archive(members):
    """An ar archive."""
    out = b"!<arch>\n"
    for name, data in members:
        out += ("%-16s%-12d%-6d%-6d%-8s%-10d`\n" % (name, EPOCH, 0, 0, "100644", len(data))).encode("ascii")
        out += data + b"\n" * (len(data) % 2)
    return out


def package(version, platform, arch):
    """Return the bytes of the .deb."""
    files = contents(version, platform, arch)
    fields = {"version": version, "platform": platform, "arch": package_arch(version, arch)}
    sums = "".join(
        "%s  %s\n" % (hashlib.md5(files[path][1]).hexdigest(), path)
        for path in sorted(files)
        if path.startswith(("usr/", "etc/"))
    )
    control = {
        "control": (0o644, (CONTROL % fields).encode("utf-8")),
        "conffiles": (0o644, CONFFILES.encode("ascii")),
        "md5sums": (0o644, sums.encode("ascii")),
        "preinst": (0o755, SCRIPT.encode("ascii")),
        "postinst": (0o755, SCRIPT.encode("ascii")),
        "prerm": (0o755, SCRIPT.encode("ascii")),
    }
    return archive(
        [
            ("debian-binary", b"2.0\n"),
            ("control.tar.gz", tar_gz(control, [""])),
            ("data.tar.gz", tar_gz(files, parents(files))),
        ]
    )


def main(arguments=None, quiet=False):
    parser = argparse.ArgumentParser(description="Build the stand-in hsflowd package.")
    parser.add_argument("--version", required=True, nargs="+", help="releases to stand in for, such as 2.0.53-1")
    parser.add_argument("--platform", required=True, nargs="+", choices=sorted(FEATURES))
    parser.add_argument("--arch", default="amd64", choices=sorted(elfso.MACHINES))
    parser.add_argument("--out", required=True, help="directory for the .deb; {version} is filled in")
    options = parser.parse_args(arguments)
    for version in options.version:
        if not re.match(r"\d+\.\d+\.\d+(-\d+)?$", version):
            parser.error("--version must look like 2.0.53-1, not %s" % version)
        directory = options.out.replace("{version}", version)
        os.makedirs(directory, exist_ok=True)
        for platform in options.platform:
            path = os.path.join(directory, asset_name(version, platform, options.arch))
            temporary = "%s.%d" % (path, os.getpid())  # several may build the same package at a time
            with open(temporary, "wb") as handle:
                handle.write(package(version, platform, options.arch))
            os.replace(temporary, path)
            if not quiet:
                print(path)


if __name__ == "__main__":
    main()
