#!/usr/bin/python
# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


DOCUMENTATION = r"""
module: tree
short_description: Put a directory tree and single files in place in one round trip
version_added: 1.0.0
author:
  - netviz.sflow contributors (@netviz)
description:
  - Copies a directory of the control node to the host and writes further files, all in one call of one module.
    M(ansible.builtin.copy) needs two or three round trips for each file of a directory.
  - Files in O(dest) that O(src) does not have are removed, so an upgrade leaves nothing of the old version behind.
    Compiled Python files (C(__pycache__)) are neither copied nor removed.
  - Every file is replaced atomically. Owner is the user that the module runs as.
  - With O(backup) there is a way back from a change that turns out wrong.
options:
  state:
    description:
      - With V(present), the files are put in place.
      - With V(previous), what O(backup) holds is put back, files that were new are removed, and so is O(backup). Without such a
        file nothing is done.
    type: str
    choices: [present, previous]
    default: present
  src:
    description:
      - A directory on the control node, absolute or in the C(files) directory of the role. Needed with O(state=present).
    type: path
  dest:
    description:
      - The directory on the host that becomes the copy of O(src). Its parents are made when they are missing. Needed with
        O(state=present).
    type: path
  backup:
    description:
      - A file on the host that takes what was there before the change, readable by its owner only. Whoever sees that the change is
        good removes it.
      - A file that is there already is of a change that nobody called good. It is kept, and the way back leads to the state before
        that one.
    type: path
  files:
    description:
      - Further files to write, each with its absolute path as O(files[].path).
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description:
          - Absolute path of the file on the host.
        type: path
        required: true
      content:
        description:
          - The text of the file.
        type: str
        required: true
      mode:
        description:
          - Permissions of the file, an octal number in quotes.
        type: str
        default: "0644"
  archive:
    description:
      - The content of O(src), packed. Set by the action plugin; not for use in a task.
    type: str
attributes:
  check_mode:
    description: Predicts the change without making it.
    support: full
  diff_mode:
    description: Shows the changed text of O(files), and of the tree the names and digests of the files that change.
    support: full
  idempotent:
    description: A second run changes nothing.
    support: full
  platform:
    description: The systems it runs on.
    platforms: posix
    support: full
"""

EXAMPLES = r"""
- name: Put a Python package and its configuration in place
  netviz.sflow.tree:
    src: sflow_collector
    dest: /usr/local/lib/sflow-collector/sflow_collector
    files:
      - path: /etc/sflow-collector.conf
        content: "{{ lookup('ansible.builtin.template', 'sflow-collector.conf.j2') }}"
        mode: "0644"
    backup: /usr/local/lib/sflow-collector.previous

- name: Take the change back
  netviz.sflow.tree:
    state: previous
    backup: /usr/local/lib/sflow-collector.previous
"""

RETURN = r"""
changed_files:
  description: Paths of the files that were written, changed in mode, removed or put back, sorted.
  returned: success
  type: list
  elements: str
  sample: ["/etc/sflow-collector.conf"]
"""

import base64
import contextlib
import hashlib
import json
import os
import stat
import tempfile
import zlib
from typing import Any, Dict, List, Optional, Set, Tuple

from ansible.module_utils.basic import AnsibleModule


def unpack(archive: str) -> Dict[str, bytes]:
    """The tree that the action plugin packed, as {relative path: bytes}."""
    packed = json.loads(zlib.decompress(base64.b64decode(archive)).decode("utf-8"))
    return {name: data.encode("latin-1") for name, data in packed.items()}


def present_in(directory: str) -> Set[str]:
    """Relative paths of the files in a directory; compiled Python files do not count."""
    found: Set[Any] = set()
    for where, directories, names in os.walk(directory):
        directories[:] = [name for name in directories if name != "__pycache__"]
        found.update(os.path.relpath(os.path.join(where, name), directory) for name in names)
        found.update(
            os.path.relpath(os.path.join(where, name), directory)
            for name in directories
            if os.path.islink(os.path.join(where, name))
        )
    return found


def read(path: str) -> Tuple[Optional[bytes], Optional[int]]:
    """(content, mode) of a regular file; (None, None) when there is none."""
    if os.path.islink(path) or not os.path.isfile(path):
        return None, None
    with open(path, "rb") as handle:
        return handle.read(), stat.S_IMODE(os.fstat(handle.fileno()).st_mode)


def digests(contents: Dict[str, Any]) -> str:
    """One line for each file, for the diff of a tree."""
    return "".join(
        "%s  %s\n" % (hashlib.sha256(data).hexdigest()[:16], path) for path, data in sorted(contents.items())
    )


def missing_directories(path: str) -> List[str]:
    """The directory of a path and its parents, as far as they are not there, the outermost first."""
    missing = []
    path = os.path.dirname(path)
    while path and not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    return missing[::-1]


def write(path: str, content: bytes, mode: int) -> None:
    for name in missing_directories(path):
        os.mkdir(name)
        os.chmod(name, 0o755)  # readable by all whatever the umask is
    handle, temporary = tempfile.mkstemp(prefix=".ansible_tmp", dir=os.path.dirname(path))
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, mode)
        os.rename(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise


def state_of(path: str) -> Optional[Dict[str, Any]]:
    """What is at a path, as the backup holds it: a file, a link, or null."""
    if os.path.islink(path):
        return {"link": os.readlink(path)}
    content, mode = read(path)
    return None if content is None else {"content": base64.b64encode(content).decode("ascii"), "mode": mode}


def load(backup: str) -> Dict[str, Any]:
    content = read(backup)[0]
    return {"files": {}, "directories": []} if content is None else json.loads(content.decode("utf-8"))


def save(backup: str, paths: List[str]) -> None:
    """Adds the state of these paths to the backup, unless an earlier change did so."""
    held = load(backup)
    for path in paths:
        if path not in held["files"]:
            held["files"][path] = state_of(path)
            held["directories"] += [name for name in missing_directories(path) if name not in held["directories"]]
    write(backup, json.dumps(held, sort_keys=True).encode("utf-8"), 0o600)


def put_back(backup: str, check: bool) -> List[str]:
    """Restores what the backup holds; returns the paths that were not as it says."""
    held = load(backup)
    changed = sorted(path for path, state in held["files"].items() if state_of(path) != state)
    if check:
        return changed
    for path in changed:
        state = held["files"][path]
        if state is not None and "content" in state:
            write(path, base64.b64decode(state["content"]), state["mode"])
            continue
        if os.path.lexists(path):
            os.unlink(path)
        if state is not None:
            os.symlink(state["link"], path)
    for name in sorted(held["directories"], reverse=True):
        with contextlib.suppress(OSError):  # somebody else's files are in it
            os.rmdir(name)
    if os.path.lexists(backup):
        os.unlink(backup)
    return changed


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            state=dict(type="str", choices=["present", "previous"], default="present"),
            src=dict(type="path"),
            dest=dict(type="path"),
            backup=dict(type="path"),
            files=dict(
                type="list",
                elements="dict",
                default=[],
                options=dict(
                    path=dict(type="path", required=True),
                    content=dict(type="str", required=True),
                    mode=dict(type="str", default="0644"),
                ),
            ),
            archive=dict(type="str", no_log=True),  # kept out of the log for its size
        ),
        required_if=[("state", "present", ("src", "dest")), ("state", "previous", ("backup",))],
        supports_check_mode=True,
    )
    backup = module.params["backup"]
    if module.params["state"] == "previous":
        try:
            there = os.path.lexists(backup)
            changed = put_back(backup, module.check_mode)
        except (OSError, ValueError) as error:
            module.fail_json(msg=f"Cannot put back what {backup} holds: {error}.")
        module.exit_json(changed=there, changed_files=changed)

    if module.params["archive"] is None:
        module.fail_json(msg="The action plugin of netviz.sflow.tree did not run; call the module in a task.")
    dest = module.params["dest"].rstrip("/")
    wanted = {}
    for name, data in unpack(module.params["archive"]).items():
        wanted[os.path.join(dest, name)] = (data, 0o644)
    for entry in module.params["files"]:
        try:
            mode = int(entry["mode"], 8)
        except ValueError:
            module.fail_json(msg=f"mode of {entry['path']} is {entry['mode']!r}, not an octal number in quotes.")
        if not os.path.isabs(entry["path"]):
            module.fail_json(msg=f"files: path {entry['path']!r} is not absolute.")
        wanted[entry["path"]] = (entry["content"].encode("utf-8"), mode)

    present = {path: read(path) for path in wanted}
    stray = sorted(os.path.join(dest, name) for name in present_in(dest))
    stray = [path for path in stray if path not in wanted]
    written = sorted(path for path in wanted if present[path] != wanted[path])
    for path in written:
        if os.path.isdir(path) and not os.path.islink(path):
            module.fail_json(msg=f"{path} is a directory where a file is to be. Move it away.")

    own = {entry["path"] for entry in module.params["files"]}
    diffs = [
        dict(
            before_header=path,
            after_header=path,
            before=(present[path][0] or b"").decode("utf-8", "replace"),
            after=wanted[path][0].decode("utf-8", "replace"),
        )
        for path in written
        if path in own
    ]
    tree_after = {path: wanted[path][0] for path in written if path not in own}
    tree_before = {path: present[path][0] for path in tree_after if present[path][0] is not None}
    tree_before.update({path: read(path)[0] or b"" for path in stray})
    if tree_before or tree_after:
        diffs.insert(
            0,
            dict(before_header=dest, after_header=dest, before=digests(tree_before), after=digests(tree_after)),
        )
    changed = sorted(written + stray)
    if changed and not module.check_mode:
        try:
            if backup:
                save(backup, changed)
            for path in written:
                write(path, *wanted[path])
            for path in stray:
                os.unlink(path)
        except (OSError, ValueError) as error:
            module.fail_json(msg=f"Not every file could be written: {error}. The next run repairs what is missing.")
    module.exit_json(changed=bool(changed), changed_files=changed, diff=diffs)


if __name__ == "__main__":
    main()
