# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A package file made of the package that is installed, for the way back to a release of which nobody has kept the file.

dpkg knows its files, its control fields and its scripts (deb(5), deb-control(5)); dpkg-deb makes a package of them. What an
administrator has changed in the files since is in it as well, which is what a way back is for.
"""

import glob
import os
import shutil
import tempfile
from typing import Any, Callable, Dict, List

NAME = "hsflowd"
PREFIX = "repack-"  # of the directory in which the package is made
# Fields of the status of a package that are none of the package itself.
OF_STATUS = ("Status", "Conffiles", "Config-Version", "Triggers-Pending", "Triggers-Awaited")


class Impossible(Exception):
    """Why there can be no such package, in a few words."""


def whole(path: str) -> bool:
    """Whether a file is an archive that ends where its last member does, which a download that was cut short does not (ar(5), deb(5)).

    A header of 60 bytes, the size in decimal at byte 48 of it, comes before each member; members begin at even bytes.
    """
    with open(path, "rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        if stream.read(8) != b"!<arch>\n":
            return False
        position = 8
        while position < size:
            stream.seek(position)
            header = stream.read(60)
            if len(header) != 60 or header[58:] != b"`\n" or not header[48:58].strip().isdigit():
                return False
            end = position + 60 + int(header[48:58])
            position = end + end % 2
    return position > 8 and size in (position, end)


def repack(target: str, execute: Callable[..., Any]) -> None:
    """Makes the package file target, in one step. Raises Impossible, or OSError where there is no room."""
    sweep(os.path.dirname(target))
    room = tempfile.mkdtemp(prefix=PREFIX, dir=os.path.dirname(target))
    try:
        tree = os.path.join(room, "tree")
        _directory(tree, 0o755)
        known = conffiles(_said(execute, ["dpkg-query", "-W", "-f", "${Conffiles}", NAME]))
        # An obsolete one was left by a release before, and is none of this package's files.
        listed = _said(execute, ["dpkg-query", "--listfiles", NAME]).splitlines()
        _copy([path for path in listed if known.get(path) != ""], tree)
        control = os.path.join(tree, "DEBIAN")
        _directory(control, 0o755)
        with open(os.path.join(control, "control"), "w", encoding="utf-8") as stream:
            stream.write(fields(_said(execute, ["dpkg-query", "--status", NAME])))
        for path in _said(execute, ["dpkg-query", "--control-path", NAME]).split():
            _control_file(path, control)
        _conffiles({path: digest for path, digest in known.items() if digest}, tree, execute)
        made = os.path.join(room, "made.deb")
        _said(execute, ["dpkg-deb", "-Zgzip", "-z1", "--build", tree, made])  # quick; every dpkg-deb knows gzip
        os.rename(made, target)
    finally:
        shutil.rmtree(room, ignore_errors=True)  # the package counts; what is left is swept the next time


def sweep(directory: str) -> None:
    """Removes what a run that was killed left of this."""
    for path in glob.glob(os.path.join(directory, PREFIX + "*")):
        shutil.rmtree(path, ignore_errors=True)  # it is in nobody's way


def fields(status: str) -> str:
    """The control fields of a package, from what dpkg says of one that is installed."""
    kept: List[str] = []
    ours = True
    for line in status.splitlines():
        if not line.startswith((" ", "\t")):
            ours = line.partition(":")[0] not in OF_STATUS
        if ours and line.strip():
            kept.append(line)
    return "\n".join(kept) + "\n"


def conffiles(said: str) -> Dict[str, str]:
    """The configuration files that dpkg knows of a package, each with the sum of what the package brought; "" where it is obsolete.

    dpkg keeps them in the status, and --control-path does not name the file that has them.
    """
    rows = [line.split() for line in said.splitlines() if line.strip()]
    return {row[0]: row[1] if len(row) == 2 else "" for row in rows}


def _said(execute: Callable[..., Any], command: List[str]) -> str:
    status, out = execute(command, timeout=60)
    if status != 0:
        raise Impossible("%s failed: %s" % (" ".join(command[:2]), " ".join(out.split())[-300:]))
    return str(out)


def _directory(path: str, mode: int) -> None:
    os.mkdir(path)
    os.chmod(path, mode)  # whatever the umask


def _copy(listed: List[str], tree: str) -> None:
    """The files of the package. What holds others is a directory, even where the host has a link (/lib) instead of it."""
    paths = [path for path in listed if path.startswith("/") and path != "/."]
    if len(paths) < len([line for line in listed if line.strip() not in ("", "/.")]):
        raise Impossible("files of it are diverted")
    holding = {os.path.dirname(path) for path in paths}
    for path in paths:
        there = tree + path
        if not os.path.isdir(os.path.dirname(there)):  # dpkg lists what the package says, which need not be every directory
            os.makedirs(os.path.dirname(there), 0o755)
        if path in holding or (os.path.isdir(path) and not os.path.islink(path)):
            _directory(there, os.stat(path).st_mode & 0o7777 if os.path.isdir(path) else 0o755)
        elif os.path.lexists(path):
            shutil.copy2(path, there, follow_symlinks=False)
            if not os.path.islink(path):
                status = os.stat(path)
                os.chown(there, status.st_uid, status.st_gid)


def _control_file(path: str, control: str) -> None:
    name = os.path.basename(path).rpartition(".")[2]
    if name not in ("list", "md5sums", "conffiles"):
        there = os.path.join(control, name)
        shutil.copy2(path, there)
        os.chmod(there, 0o755 if name in ("preinst", "postinst", "prerm", "postrm", "config") else 0o644)


def _conffiles(known: Dict[str, str], tree: str, execute: Callable[..., Any]) -> None:
    """Has dpkg know them again as what it does not take away: where it did not, it would remove them with the package."""
    present = [path for path in known if os.path.isfile(tree + path)]  # dpkg-deb wants each of them to be there
    for path in present:
        # What is as its package has it, nobody has edited, and dpkg replaces it at the next upgrade. So what somebody has edited is
        # a line longer in the package.
        if _said(execute, ["md5sum", tree + path]).split()[0] != known[path]:
            with open(tree + path, "ab") as stream:
                stream.write(b"\n")
    if present:
        there = os.path.join(tree, "DEBIAN", "conffiles")
        with open(there, "w", encoding="utf-8") as stream:
            stream.writelines("%s\n" % path for path in present)
        os.chmod(there, 0o644)
