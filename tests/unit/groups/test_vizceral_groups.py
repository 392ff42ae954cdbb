# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module around the pure functions: files, check mode, diff, backup."""

import importlib
import json
import os
import stat

import pytest

pytest.importorskip("ansible.module_utils.basic", reason="no ansible-core is installed for this Python")
module = importlib.import_module("ansible_collections.netviz.sflow.plugins.modules.vizceral_groups")


@pytest.fixture
def run(run_module, tmp_path):
    def call(check=False, diff=True, **arguments):
        return run_module(module, {"path": str(tmp_path / "groups.json"), "groups": {"SiteA": ["10.0.0.0/16"]}, **arguments}, check, diff)
    return call


def mode(path):
    return stat.S_IMODE(os.stat(str(path)).st_mode)


def test_check_mode_predicts_and_writes_nothing(run, tmp_path):
    predicted = run(check=True)
    assert predicted["changed"]
    assert not (tmp_path / "groups.json").exists()
    done = run()
    assert done["changed"]
    assert done["diff"] == predicted["diff"]
    assert done["diff"][0]["after"] == (tmp_path / "groups.json").read_text()


def test_second_run_changes_nothing(run):
    assert run()["changed"]
    again = run(groups={"SiteA": ["10.0.0.0/16"]})
    assert not again["changed"]
    assert again["diff"] == []


def test_readable_by_all_whatever_the_umask(run, tmp_path):
    old = os.umask(0o077)
    try:
        run()
    finally:
        os.umask(old)
    assert mode(tmp_path / "groups.json") == 0o644


def test_lost_permissions_are_a_change_and_are_repaired(run, tmp_path):
    run()
    (tmp_path / "groups.json").chmod(0o600)
    assert run(check=True)["changed"]
    assert mode(tmp_path / "groups.json") == 0o600
    assert run()["changed"]
    assert mode(tmp_path / "groups.json") == 0o644


def test_backup_holds_the_old_text(run, tmp_path):
    run()
    before = (tmp_path / "groups.json").read_text()
    result = run(groups={"SiteB": ["10.1.0.0/16"]}, backup=True)
    with open(result["backup_file"]) as handle:
        assert handle.read() == before
    assert "backup_file" not in run(groups={"SiteB": ["10.1.0.0/16"]}, backup=True)


def test_refused_groups_leave_the_file_alone(run, tmp_path):
    run()
    before = (tmp_path / "groups.json").read_text()
    result = run(groups={"SiteA": ["10.0.0.1/16"], "B": []})
    assert result["failed"]
    assert len(result["errors"]) == 2
    assert "'SiteA': '10.0.0.1/16'" in result["msg"]
    assert (tmp_path / "groups.json").read_text() == before


def test_directory_of_docker_in_the_place_of_the_file(run, tmp_path):
    (tmp_path / "groups.json").mkdir()
    assert "Docker makes one" in run()["msg"]


def test_missing_directory(run, tmp_path):
    path = str(tmp_path / "missing" / "groups.json")
    assert run(path=path, check=True)["changed"]
    assert "does not exist" in run(path=path)["msg"]


def test_the_file_behind_a_link_is_written(run, tmp_path):
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "groups.json").symlink_to(tmp_path / "real.json")
    run()
    assert (tmp_path / "groups.json").is_symlink()
    assert "SiteA" in (tmp_path / "real.json").read_text()


def test_what_a_put_or_an_editor_left_is_replaced(run, tmp_path):
    (tmp_path / "groups.json").write_bytes(b'\xff\xfe{"INTERNET"')
    assert run()["changed"]
    json.loads((tmp_path / "groups.json").read_text())


def test_nothing_is_left_beside_the_file(run, tmp_path):
    run()
    run(groups={"SiteB": ["10.1.0.0/16"]})
    assert sorted(p.name for p in tmp_path.iterdir() if p.name != "tmp") == ["groups.json"]


def test_json_text_from_the_command_line(run):
    assert run(groups='{"SiteA": ["10.0.0.0/16"]}')["groups"]["SiteA"] == ["10.0.0.0/16"]
    assert "must be a mapping" in run(groups="SiteA")["msg"]


def test_remarks_are_warnings(run):
    result = run(groups={"A": ["2001:db8::/32"]}, max_flows=1)
    assert len(result["remarks"]) == 2
    assert result["warned"] == result["remarks"]


def test_differences_are_told_when_they_are_asked_for(run, tmp_path):
    first = run()["diff"]
    path, text = str(tmp_path / "groups.json"), (tmp_path / "groups.json").read_text()
    assert first == [{"before_header": path, "after_header": path, "before": "", "after": text}]
    (tmp_path / "groups.json").chmod(0o600)
    second = run(groups={"SiteB": ["10.1.0.0/16"]})["diff"]
    assert second[0]["before"] == text and second[0]["after"] == (tmp_path / "groups.json").read_text()
    run(mode="0600")
    attributes, = run()["diff"]
    assert attributes["before_header"] == attributes["after_header"] == path + " (attributes)"
    assert (attributes["before"]["mode"], attributes["after"]["mode"]) == ("0600", "0644")
    assert "diff" not in run(groups={"SiteC": ["10.2.0.0/16"]}, diff=False)


def test_the_mode_that_is_asked_for(run, tmp_path):
    assert run(mode="0600")["changed"] and mode(tmp_path / "groups.json") == 0o600
    assert not run(mode="0600")["changed"]


def test_no_backup_of_nothing(run):
    first = run(backup=True)
    assert first["changed"] and "backup_file" not in first


def test_by_default_the_internet_is_that_of_ipv4(run):
    assert run()["groups"]["INTERNET"] == ["0.0.0.0/0"]
    assert "::/0" in run(internet_ipv6=True)["groups"]["INTERNET"]


def test_a_file_that_cannot_be_read(run, monkeypatch, tmp_path):
    run()

    def refuse(*_arguments):
        raise PermissionError(13, "Permission denied")
    monkeypatch.setattr(module, "open", refuse, raising=False)
    assert run()["msg"] == f"Cannot read {tmp_path}/groups.json: Permission denied. Run as a user who may (become: true)."


def test_no_room_for_the_new_file(run, monkeypatch, tmp_path):
    run()
    before = (tmp_path / "groups.json").read_text()

    def full(*_arguments):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(module.os, "fsync", full)
    result = run(groups={"SiteB": ["10.1.0.0/16"]})
    assert result["failed"] and "No space left on device" in result["msg"] and (tmp_path / "groups.json").read_text() == before
