# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lay out one package for each platform: the real one where it is given, else the stand-in.

    python3 tests/agent/packages.py --given WHERE --version 2.0.53-1 --out DIR --platforms PLATFORM ...

writes DIR/hsflowd-PLATFORM.deb for every platform and says of each which it is. WHERE is a package, a directory of packages, or a
pattern such as /srv/hsflowd-{platform}_2.0.53-1_amd64.deb; of several packages for one platform the newest is taken. The platform
is read off the name, which is upstream's, or the pattern says which part of it is the platform; a single package with another name
is taken for every platform. Stand-ins are of the release of the given packages where these are of one that works everywhere, else
of --version; with --older-than DIR of the first --version that is older than the package of that platform there.
"""

import argparse
import glob
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import build
import hsflowd_standin

EVERYWHERE = "2.0.30-1"  # releases before it lose packet samples with the libpcap of most platforms, and the role refuses them there
ASSET = re.compile(r"hsflowd-([a-z]+[0-9]+)_[^_]+_(\w+)\.deb$")
SPELLINGS = {"amd64": ("amd64",), "arm64": ("arm64", "aarch64")}


def release_of(package):
    """The Version field of a package."""
    shown = subprocess.run(["dpkg-deb", "--field", str(package), "Version"], check=True, stdout=subprocess.PIPE)
    return shown.stdout.decode().strip()


def given(where, arch="amd64"):
    """{platform: path} of the packages that WHERE names. Raises ValueError, with a sentence, where it names none."""
    if not where:
        return {}
    if "{platform}" not in where and not os.path.exists(where):
        raise ValueError("there is nothing at %s" % where)
    if "{platform}" in where:
        found = [(name, path) for name in build.FEATURES for path in _matches(where, name, arch)]
    elif os.path.isdir(where):
        names = [(ASSET.search(path), path) for path in glob.glob(os.path.join(where, "*.deb"))]
        found = [(name.group(1), path) for name, path in names if name and name.group(2) in SPELLINGS[arch]]
    else:
        name = ASSET.search(where)
        # A name of somebody's own says nothing about the platform; whoever gives one such file wants it taken everywhere.
        found = [(name.group(1), where)] if name else [(each, where) for each in build.FEATURES]
    if not found:
        raise ValueError("there is no package for %s at %s" % (arch, where))
    newest = {}
    try:
        for name, path in sorted(found, key=lambda pair: hsflowd_standin.version_key(release_of(pair[1]))):
            newest[name] = path
    except subprocess.CalledProcessError:
        raise ValueError("%s: not a package that dpkg-deb can read" % where) from None
    return newest


def from_environment():
    """{platform: path} of the real packages that HSFLOWD_DEB names for the architecture of this machine."""
    return given(os.environ.get("HSFLOWD_DEB", ""), "arm64" if platform.machine() == "aarch64" else "amd64")


def for_this_machine(packages):
    """The package whose daemon runs here, or None: this system's, else the oldest, whose libraries newer systems still have."""
    with open("/etc/os-release") as stream:
        here = dict(line.strip().split("=", 1) for line in stream if "=" in line)
    system = here.get("ID", "").strip('"')
    mine = system + here.get("VERSION_ID", "").strip('"').split(".")[0]
    order = sorted(packages, key=lambda name: (name != mine, not name.startswith(system), int(re.sub(r"\D", "", name))))
    return packages[order[0]] if order else None


def _matches(pattern, name, arch):
    for spelling in SPELLINGS[arch]:
        text = pattern.replace("{platform}", name).replace("{architecture}", spelling)
        yield from glob.glob("*".join(glob.escape(part) for part in text.split("{version}")))


def lay_out(where, versions, out, platforms, arch="amd64", older_than=None):
    """Write the packages; return a sentence for each platform. The stand-ins are of the first version that will do."""
    key, real = hsflowd_standin.version_key, given(where, arch)
    releases = {release_of(path) for path in real.values()}
    if len(releases) == 1 and key(min(releases)) >= key(EVERYWHERE):
        versions = [releases.pop()]
    os.makedirs(out, exist_ok=True)
    said = []
    for name in platforms:
        target = os.path.join(out, "hsflowd-%s.deb" % name)
        newer = key(release_of(os.path.join(older_than, "hsflowd-%s.deb" % name))) if older_than else None
        version = next((each for each in versions if newer is None or key(each) < newer), versions[-1])
        with tempfile.TemporaryDirectory(dir=out) as place:  # several runs may do the same at a time
            if name in real:
                source = shutil.copy(real[name], place)
                said.append("%s: %s" % (name, real[name]))
            else:
                build.main(["--version", version, "--platform", name, "--arch", arch, "--out", place], quiet=True)
                source = os.path.join(place, build.asset_name(version, name, arch))
                said.append("%s: the stand-in for %s" % (name, version) + ("; no real one is given" if real else ""))
            os.chmod(source, 0o644)
            os.replace(source, target)
    return said


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Lay out one package for each platform.")
    parser.add_argument("--given", default="", help="real packages: a file, a directory, or a pattern with {platform}")
    parser.add_argument("--version", required=True, nargs="+", help="the release of the stand-ins, where nothing is given")
    parser.add_argument("--older-than", metavar="DIR", help="packages of this layout, than which the stand-ins are to be older")
    parser.add_argument("--arch", default="amd64", choices=sorted(SPELLINGS))
    parser.add_argument("--out", required=True)
    parser.add_argument("--platforms", required=True, nargs="+", choices=sorted(build.FEATURES), metavar="PLATFORM")
    options = parser.parse_args(arguments)
    try:
        print("\n".join(lay_out(options.given, options.version, options.out, options.platforms, options.arch, options.older_than)))
    except ValueError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
