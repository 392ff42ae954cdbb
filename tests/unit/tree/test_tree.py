# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module tree: what it writes and removes, what it predicts, and that a second run has nothing to do."""

import json
import os
import stat

import pytest

pytest.importorskip("ansible.module_utils.basic", reason="no ansible-core is installed for this Python")
pytest.importorskip("ansible.plugins.action", reason="no ansible-core is installed for this Python")
from ansible.module_utils import basic
from ansible.module_utils.common.text.converters import to_bytes
from ansible_collections.netviz.sflow.plugins.action.tree import pack
from ansible_collections.netviz.sflow.plugins.modules import tree


class Left(Exception):
    pass


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Runs the module for a source tree; returns its result and, unless told otherwise, checks what is on the disk."""
    source = tmp_path / "source"
    dest = tmp_path / "deep" / "dest"

    def run(files=(), contents=None, check=False, fail=False, **others):
        for name, data in (contents or {}).items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes(data)
        arguments = {"src": "x", "dest": str(dest), "files": list(files), "archive": pack(str(source)), **others}
        arguments.update(_ansible_check_mode=check, _ansible_remote_tmp=str(tmp_path), _ansible_keep_remote_files=False)
        monkeypatch.setattr(basic, "_ANSIBLE_ARGS", to_bytes(json.dumps({"ANSIBLE_MODULE_ARGS": arguments})))
        monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)  # ansible-core 2.19 and newer asks for it
        said = {}

        def leave(kind):
            def inner(_module, **values):
                said.update(values, left=kind)
                raise Left()

            return inner

        monkeypatch.setattr(basic.AnsibleModule, "exit_json", leave("exit"))
        monkeypatch.setattr(basic.AnsibleModule, "fail_json", leave("fail"))
        with pytest.raises(Left):
            tree.main()
        assert said["left"] == ("fail" if fail else "exit"), said
        return said

    run.source, run.dest = source, dest
    return run


PACKAGE = {"a.py": b"print(1)\n", "web/icon.bin": bytes(range(256)), "web/page.html": "<p>ü</p>".encode()}


def on_disk(directory):
    return {
        os.path.relpath(os.path.join(where, name), str(directory)): open(os.path.join(where, name), "rb").read()
        for where, _directories, names in os.walk(str(directory))
        for name in names
    }


def test_copies_every_byte_readable_by_all(place):
    old = os.umask(0o077)
    try:
        result = place(contents=PACKAGE)
    finally:
        os.umask(old)
    assert result["changed"]
    assert on_disk(place.dest) == PACKAGE
    assert {stat.S_IMODE(os.stat(str(place.dest / name)).st_mode) for name in PACKAGE} == {0o644}
    assert stat.S_IMODE(os.stat(str(place.dest / "web")).st_mode) == 0o755


def test_second_run_changes_nothing(place, tmp_path):
    files = [{"path": str(tmp_path / "etc" / "x.conf"), "content": "a = 1\n", "mode": "0600"}]
    place(files, PACKAGE)
    again = place(files)
    assert (again["changed"], again["changed_files"], again["diff"]) == (False, [], [])


def test_check_mode_predicts_and_writes_nothing(place, tmp_path):
    conf = tmp_path / "x.conf"
    files = [{"path": str(conf), "content": "new\n", "mode": "0644"}]
    predicted = place(files, PACKAGE, check=True)
    assert not place.dest.exists() and not conf.exists()
    done = place(files)
    assert predicted["changed_files"] == done["changed_files"]
    assert predicted["diff"] == done["diff"]


def test_upgrade_leaves_no_file_of_the_old_version(place):
    place(contents=PACKAGE)
    (place.dest / "__pycache__").mkdir()
    (place.dest / "__pycache__" / "a.cpython-36.pyc").write_bytes(b"compiled")
    (place.dest / "stray.py").write_text("old\n")
    (place.dest / "stray.link").symlink_to("a.py")
    (place.source / "web" / "icon.bin").unlink()
    result = place(contents={"a.py": b"print(2)\n"})
    assert result["changed_files"] == sorted(str(place.dest / n) for n in ("a.py", "stray.link", "stray.py", "web/icon.bin"))
    assert set(on_disk(place.dest)) == {"a.py", "web/page.html", "__pycache__/a.cpython-36.pyc"}


def test_mode_alone_is_a_change(place):
    place(contents=PACKAGE)
    (place.dest / "a.py").chmod(0o600)
    assert place()["changed_files"] == [str(place.dest / "a.py")]
    assert not place()["changed"]


def test_link_in_the_place_of_a_file_is_replaced_not_followed(place, tmp_path):
    place(contents=PACKAGE)
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (place.dest / "a.py").unlink()
    (place.dest / "a.py").symlink_to(victim)
    place()
    assert victim.read_text() == "untouched"
    assert (place.dest / "a.py").read_bytes() == PACKAGE["a.py"]


def test_diff_shows_text_of_settings_and_digests_of_the_tree(place, tmp_path):
    conf = tmp_path / "x.conf"
    conf.write_text("old\n")
    shown = place([{"path": str(conf), "content": "new\n", "mode": "0644"}], PACKAGE)["diff"]
    assert [each["before_header"] for each in shown] == [str(place.dest), str(conf)]
    assert "print" not in shown[0]["after"] and "a.py" in shown[0]["after"]
    assert (shown[1]["before"], shown[1]["after"]) == ("old\n", "new\n")


@pytest.mark.parametrize(
    "file,word",
    [
        ({"path": "relative", "content": "", "mode": "0644"}, "not absolute"),
        ({"path": "/x", "content": "", "mode": "rw-r--r--"}, "octal"),
    ],
)
def test_wrong_arguments_are_named(place, file, word):
    assert word in place([file], PACKAGE, fail=True)["msg"]


def test_directory_in_the_way_is_named(place):
    (place.dest / "a.py").mkdir(parents=True)
    assert "is a directory where a file is to be" in place(contents=PACKAGE, fail=True)["msg"]


def test_pack_depends_on_content_only(tmp_path):
    texts = []
    for order in (("a", "b"), ("b", "a")):
        directory = tmp_path / order[0]
        directory.mkdir()
        for name in order:
            (directory / name).write_text(name)
        (directory / "__pycache__").mkdir()
        (directory / "__pycache__" / order[0]).write_text("x")
        texts.append(pack(str(directory)))
    assert texts[0] == texts[1]


def test_the_way_back_from_a_change(place, tmp_path):
    backup = str(tmp_path / "previous")
    conf = tmp_path / "etc" / "x.conf"
    place([{"path": str(conf), "content": "old\n", "mode": "0640"}], PACKAGE)
    (place.dest / "stray.link").symlink_to("a.py")
    before = on_disk(tmp_path)
    (place.source / "web" / "icon.bin").unlink()
    files = [{"path": str(conf), "content": "new\n", "mode": "0644"}, {"path": str(tmp_path / "new" / "y"), "content": ""}]
    place(files, {"a.py": b"print(2)\n", "new/b.py": b""}, backup=backup)
    assert stat.S_IMODE(os.stat(backup).st_mode) == 0o600
    place(files, {"a.py": b"print(3)\n"}, backup=backup)  # nobody called the first change good: the way back leads before it
    predicted = place(state="previous", backup=backup, check=True)
    done = place(state="previous", backup=backup)
    assert done["changed"] and predicted["changed_files"] == done["changed_files"]
    after = on_disk(tmp_path)
    assert {n: d for n, d in after.items() if not n.startswith("source")} == {
        n: d for n, d in before.items() if not n.startswith("source")
    }
    assert stat.S_IMODE(os.stat(str(conf)).st_mode) == 0o640
    assert os.readlink(str(place.dest / "stray.link")) == "a.py"
    assert not (tmp_path / "new").exists() and not os.path.exists(backup)
    assert not place(state="previous", backup=backup)["changed"]


def test_nothing_is_left_of_a_tree_that_was_new(place, tmp_path):
    backup = str(tmp_path / "previous")
    place(contents=PACKAGE, backup=backup)
    place(state="previous", backup=backup)
    assert not place.dest.parent.exists()


def test_no_change_writes_no_backup(place, tmp_path):
    place(contents=PACKAGE)
    place(backup=str(tmp_path / "previous"))
    assert not (tmp_path / "previous").exists()


def test_a_file_that_cannot_be_written(place, tmp_path, monkeypatch):
    """What is told is what became of it: files of before are whole, nothing half written lies about, and the next run repairs."""
    place(contents=PACKAGE)
    before, writing, sync = on_disk(place.dest), [], os.fsync

    def full(handle):
        writing.append(handle)
        if len(writing) == 2:
            raise OSError(28, "No space left on device")
        sync(handle)

    with monkeypatch.context() as patch:
        patch.setattr(tree.os, "fsync", full)
        told = place(contents={"a.py": b"print(2)\n", "web/page.html": b"new"}, fail=True)["msg"]
    assert told == "Not every file could be written: [Errno 28] No space left on device. The next run repairs what is missing."
    assert on_disk(place.dest) == {**before, "a.py": b"print(2)\n"}
    assert place()["changed_files"] == [str(place.dest / "web" / "page.html")]


def test_a_link_to_a_directory_is_removed_and_not_what_is_in_it(place, tmp_path):
    place(contents=PACKAGE)
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "x").write_text("theirs")
    (place.dest / "web" / "link").symlink_to(tmp_path / "others")
    (place.dest / "dangling").symlink_to(tmp_path / "nothing")
    assert place()["changed_files"] == [str(place.dest / "dangling"), str(place.dest / "web" / "link")]
    assert (tmp_path / "others" / "x").read_text() == "theirs" and not (place.dest / "web" / "link").is_symlink()


def test_the_diff_of_a_tree_has_what_goes_and_what_comes(place):
    place(contents=PACKAGE)
    (place.dest / "stray.py").write_bytes(b"")
    (difference,) = place(contents={"a.py": b"print(2)\n"})["diff"]
    before, after = difference["before"].splitlines(), difference["after"].splitlines()
    assert [line.split("  ")[1] for line in before] == [str(place.dest / "a.py"), str(place.dest / "stray.py")]
    assert [line.split("  ")[1] for line in after] == [str(place.dest / "a.py")] and before[0] != after[0]
    assert before[1].startswith("e3b0c44298fc1c14 ")  # SHA-256 of nothing
    assert place()["diff"] == []


def test_a_backup_that_cannot_be_read(place, tmp_path):
    (tmp_path / "previous").write_text("{")
    told = place(contents=PACKAGE, state="previous", backup=str(tmp_path / "previous"), fail=True)["msg"]
    assert told.startswith(f"Cannot put back what {tmp_path}/previous holds: ") and (tmp_path / "previous").exists()


def test_the_module_alone_cannot_do_it(place):
    assert "The action plugin of netviz.sflow.tree did not run" in place(contents=PACKAGE, archive=None, fail=True)["msg"]
