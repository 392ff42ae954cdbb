# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tarball: the same bytes from the same sources, nothing that users do not need, and what ansible-galaxy thinks of it."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import pytest
import yaml

REPO = Path(__file__).resolve().parents[2]
SHIPPED = {
    "CHANGELOG.rst", "FILES.json", "LICENSE", "MANIFEST.json", "README.md", "changelogs", "docs", "inventory.example", "meta",
    "playbooks", "plugins", "roles",
}  # fmt: skip


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def another_clone(tmp_path) -> Path:
    """The same sources, written in another order, at another time, by somebody with another umask."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPO,
        check=True,
        capture_output=True,
    ).stdout.decode()
    clone = tmp_path / "clone"
    for name in sorted(filter(None, listed.split("\0")), reverse=True):
        if (REPO / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPO / name, clone / name)
            os.chmod(clone / name, (clone / name).stat().st_mode & 0o700)
            os.utime(clone / name, (1, 1))
    subprocess.run(["git", "init", "-q", "."], cwd=clone, check=True)
    return clone


def test_another_clone_gives_the_same_bytes(run, tarball, another_clone, tmp_path):
    run(sys.executable, another_clone / "tests/packaging/dist.py", "--output-path", tmp_path / "again")
    assert sha256(tmp_path / "again" / tarball.name) == sha256(tarball)
    (another_clone / "README.md").write_text("another")
    run(sys.executable, another_clone / "tests/packaging/dist.py", "--output-path", tmp_path / "again")
    assert sha256(tmp_path / "again" / tarball.name) != sha256(tarball)


def test_the_time_is_the_one_that_was_asked_for(run, tarball, tmp_path):
    run(
        sys.executable,
        REPO / "tests/packaging/dist.py",
        "--output-path",
        tmp_path,
        env={"SOURCE_DATE_EPOCH": "1700000000"},
    )
    with tarfile.open(tmp_path / tarball.name) as archive:
        assert {member.mtime for member in archive} == {1700000000}
    with tarfile.open(tarball) as archive:
        assert {(member.mtime, member.uid, member.uname) for member in archive} == {(0, 0, "")}


def test_it_ships_what_users_need_and_nothing_else(tarball):
    with tarfile.open(tarball) as archive:
        names = archive.getnames()
    assert names[2:] == sorted(
        names[2:]
    )  # not in the order of a file system, which may be the same on two clones by chance
    assert {name.split("/")[0] for name in names} == SHIPPED
    assert not [name for name in names if name.endswith((".pyc", ".deb", ".tar.gz")) or "__pycache__" in name]
    wanted = {
        "playbooks/bundle.yml",
        "playbooks/tasks/ask.yml",
        "roles/collector/files/sflow_collector/web/index.html",
    }
    wanted |= {"docs/variables.md", "changelogs/changelog.yaml", "meta/ee-requirements.txt"}
    assert wanted <= set(names)
    assert "changelogs/config.yaml" not in names


def test_versions_agree(tarball):
    version = yaml.safe_load((REPO / "galaxy.yml").read_text())["version"]
    assert tarball.name == f"netviz-sflow-{version}.tar.gz"
    changelog = yaml.safe_load((REPO / "changelogs/changelog.yaml").read_text())
    assert version in changelog["releases"]
    assert f"\nv{version}\n" in (REPO / "CHANGELOG.rst").read_text()


def test_the_changelog_names_every_module_role_and_filter():
    """A new plugin that nobody cut a release for is a fragment away; until then it is not in the file that users read."""
    releases = yaml.safe_load((REPO / "changelogs/changelog.yaml").read_text())["releases"]
    told = {row["name"] for release in releases.values() for row in release.get("modules", [])}
    for release in releases.values():
        for rows in [*release.get("plugins", {}).values(), *release.get("objects", {}).values()]:
            told |= {row["name"] for row in rows}
    there = {path.stem for path in (REPO / "plugins/modules").glob("*.py")}
    there |= {path.stem for kind in ("filter", "test") for path in (REPO / "plugins" / kind).glob("*.yml")}
    there |= {path.name for path in (REPO / "roles").iterdir()}
    fragments = "".join(path.read_text() for path in (REPO / "changelogs/fragments").glob("*.yml"))
    assert sorted(name for name in there - told if name not in fragments) == []


def test_verify_offline_passes_and_sees_a_changed_file(run, installed, tmp_path):
    env = dict(installed, ANSIBLE_COLLECTIONS_SCAN_SYS_PATH="false")
    run("ansible-galaxy", "collection", "verify", "--offline", "netviz.sflow", env=env, cwd=tmp_path)
    changed = Path(installed["ANSIBLE_COLLECTIONS_PATH"]) / "ansible_collections/netviz/sflow/playbooks/site.yml"
    changed.write_text(changed.read_text() + "#\n")
    done = run(
        "ansible-galaxy", "collection", "verify", "--offline", "netviz.sflow", env=env, cwd=tmp_path, check=False
    )
    assert done.returncode and "playbooks/site.yml" in done.stdout


class Galaxy(http.server.ThreadingHTTPServer):
    """As much of a Galaxy server (API v3) as installing and verifying one collection takes."""

    def __init__(self, tarball: Path):
        super().__init__(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self.server_port}/"
        self.tarball = tarball
        version = tarball.name.removesuffix(".tar.gz").rsplit("-", 1)[1]
        base = "/api/v3/collections/netviz/sflow/"
        self.answers = {
            "/api/": {"available_versions": {"v3": "v3/"}},
            base: {"updated_at": "2026-01-01T00:00:00Z", "created_at": "2026-01-01T00:00:00Z"},
            base + "versions/": {
                "meta": {"count": 1},
                "links": {"next": None},
                "data": [{"version": version, "href": f"{base}versions/{version}/"}],
            },
            f"{base}versions/{version}/": {
                "namespace": {"name": "netviz"},
                "collection": {"name": "sflow"},
                "version": version,
                "href": f"{base}versions/{version}/",
                "download_url": self.url + "file/" + tarball.name,
                "artifact": {"sha256": sha256(tarball), "filename": tarball.name},
                "metadata": {"dependencies": {}},
                "signatures": [],
            },
        }


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path = self.path.split("?")[0]
        found = path in self.server.answers or path.startswith("/file/")
        data = self.server.tarball.read_bytes() if path.startswith("/file/") else b"{}"
        if path in self.server.answers:
            data = json.dumps(self.server.answers[path]).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_args):
        pass


def test_verify_against_a_server_passes_and_sees_another_file_list(run, installed, tarball, tmp_path):
    """With --offline a collection vouches for itself; here what is installed is compared with what the server has."""
    server = Galaxy(tarball)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    env = dict(installed, ANSIBLE_COLLECTIONS_SCAN_SYS_PATH="false")
    verify = ("ansible-galaxy", "collection", "verify", "-s", server.url + "api/", "netviz.sflow")
    try:
        assert "Successfully verified" in run(*verify, env=env, cwd=tmp_path).stdout
        # A forger would make the lists fit the changed file.
        place = Path(installed["ANSIBLE_COLLECTIONS_PATH"]) / "ansible_collections/netviz/sflow"
        (place / "LICENSE").write_text("mine")
        files = json.loads((place / "FILES.json").read_text())
        for entry in files["files"]:
            if entry["name"] == "LICENSE":
                entry["chksum_sha256"] = sha256(place / "LICENSE")
        (place / "FILES.json").write_text(json.dumps(files))
        manifest = json.loads((place / "MANIFEST.json").read_text())
        manifest["file_manifest_file"]["chksum_sha256"] = sha256(place / "FILES.json")
        (place / "MANIFEST.json").write_text(json.dumps(manifest))
        run("ansible-galaxy", "collection", "verify", "--offline", "netviz.sflow", env=env, cwd=tmp_path)
        done = run(*verify, env=env, cwd=tmp_path, check=False)
        assert done.returncode and "LICENSE" in done.stdout
    finally:
        server.shutdown()
        server.server_close()
