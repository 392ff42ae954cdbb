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
options:
  src:
    description:
      - A directory on the control node, absolute or in the C(files) directory of the role.
    type: path
    required: true
  dest:
    description:
      - The directory on the host that becomes the copy of O(src). Its parents are made when they are missing.
    type: path
    required: true
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
"""

RETURN = r"""
changed_files:
  description: Paths of the files that were written, changed in mode or removed, sorted.
  returned: success
  type: list
  elements: str
  sample: ["/etc/sflow-collector.conf"]
"""

import base64
import hashlib
import json
import os
import stat
import tempfile
import zlib

from ansible.module_utils.basic import AnsibleModule


def unpack(archive):
    """The tree that the action plugin packed, as {relative path: bytes}."""
    packed = json.loads(zlib.decompress(base64.b64decode(archive)).decode("utf-8"))
    return {name: data.encode("latin-1") for name, data in packed.items()}


def present_in(directory):
    """Relative paths of the files in a directory; compiled Python files do not count."""
    found = set()
    for where, directories, names in os.walk(directory):
        directories[:] = [name for name in directories if name != "__pycache__"]
        found.update(os.path.relpath(os.path.join(where, name), directory) for name in names)
        found.update(
            os.path.relpath(os.path.join(where, name), directory)
            for name in directories
            if os.path.islink(os.path.join(where, name))
        )
    return found


def read(path):
    """(content, mode) of a regular file; (None, None) when there is none."""
    if os.path.islink(path) or not os.path.isfile(path):
        return None, None
    with open(path, "rb") as handle:
        return handle.read(), stat.S_IMODE(os.fstat(handle.fileno()).st_mode)


def digests(contents):
    """One line for each file, for the diff of a tree."""
    return "".join(
        "%s  %s\n" % (hashlib.sha256(data).hexdigest()[:16], path) for path, data in sorted(contents.items())
    )


def make_directory(path):
    """Makes a directory and its parents, readable by all whatever the umask is."""
    missing = []
    while path and not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for name in reversed(missing):
        os.mkdir(name)
        os.chmod(name, 0o755)


def write(module, path, content, mode):
    make_directory(os.path.dirname(path))
    if os.path.isdir(path) and not os.path.islink(path):
        module.fail_json(msg=f"{path} is a directory where a file is to be. Move it away.")
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


def main():
    module = AnsibleModule(
        argument_spec=dict(
            src=dict(type="path", required=True),
            dest=dict(type="path", required=True),
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
        supports_check_mode=True,
    )
    dest = module.params["dest"].rstrip("/")
    if module.params["archive"] is None:
        module.fail_json(msg="The action plugin of netviz.sflow.tree did not run; call the module in a task.")

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

    changed, tree_before, tree_after, diffs = [], {}, {}, []
    own = {entry["path"] for entry in module.params["files"]}
    try:
        for path, (content, mode) in sorted(wanted.items()):
            old, old_mode = read(path)
            if old == content and old_mode == mode:
                continue
            changed.append(path)
            if path not in own:
                if old is not None:
                    tree_before[path] = old
                tree_after[path] = content
            else:
                diffs.append(
                    dict(
                        before_header=path,
                        after_header=path,
                        before=(old or b"").decode("utf-8", "replace"),
                        after=content.decode("utf-8", "replace"),
                    )
                )
            if not module.check_mode:
                write(module, path, content, mode)
        for name in sorted(present_in(dest)):
            path = os.path.join(dest, name)
            if path in wanted:
                continue
            changed.append(path)
            tree_before[path] = read(path)[0] or b""
            if not module.check_mode:
                os.unlink(path)
    except OSError as error:
        module.fail_json(msg=f"Cannot write {path}: {error.strerror}. The next run repairs what is missing.")
    if tree_before or tree_after:
        diffs.insert(
            0,
            dict(before_header=dest, after_header=dest, before=digests(tree_before), after=digests(tree_after)),
        )
    module.exit_json(changed=bool(changed), changed_files=sorted(changed), diff=diffs)


if __name__ == "__main__":
    main()
