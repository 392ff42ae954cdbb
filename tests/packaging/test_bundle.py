# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/bundle.yml, run from an installed collection with the stand-in packages: what is in it, and that it is true."""

from __future__ import annotations

import base64
import functools
import hashlib
import http.server
import json
import os
import re
import shutil
import sys
import threading
from pathlib import Path

import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

REPO = Path(__file__).resolve().parents[2]
PLATFORMS = ["ubuntu18", "debian13"]


@pytest.fixture(scope="session")
def releases(run, tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("releases")
    for platform, version in (("ubuntu18", "2.0.53-1"), ("debian13", "2.1.25-4")):
        options = ("--version", version, "--platform", platform, "--arch", "amd64", "--out", place / f"v{version}")
        run(sys.executable, REPO / "tests/agent/build.py", *options)
    return place


@pytest.fixture
def bundle(run, releases, installed, tmp_path):
    def inner(*arguments, check=True, **variables):
        variables = {
            "sflow_bundle_path": "out",
            "sflow_bundle_release_url": f"file://{releases}",
            "sflow_bundle_platforms": PLATFORMS,
            **variables,
        }
        done = run(
            "ansible-playbook", "-i", "localhost,", "-e", json.dumps(variables), "netviz.sflow.bundle", *arguments,
            env=installed, cwd=tmp_path, check=check,
        )  # fmt: skip
        if not check:
            return done
        assert "WARNING" not in done.stderr
        return re.findall(r"^TASK \[(.*?)\] \*+\n(?:(?!TASK).*\n)*?changed:", done.stdout, re.M)

    inner.path = tmp_path / "out"
    return inner


def everything(place: Path) -> dict[str, str]:
    return {
        str(path.relative_to(place)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(place.rglob("*"))
        if path.is_file()
    }


def test_check_mode_predicts_and_a_second_run_changes_nothing(bundle):
    predicted = bundle("--check")
    assert not bundle.path.exists()
    assert bundle() == predicted
    before = everything(bundle.path)
    assert bundle() == []
    assert everything(bundle.path) == before
    # What was lost comes back, the same to the byte.
    (bundle.path / "SHA256SUMS").unlink()
    (bundle.path / "packages/v2.1.25-4/hsflowd-debian13_2.1.25-4_amd64.deb").unlink()
    assert bundle() == ["Download the packages", "Write the checksums"]
    assert everything(bundle.path) == before


def test_every_file_is_what_the_lists_say(bundle, run, tarball):
    bundle()
    run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=bundle.path)
    files = everything(bundle.path)
    del files["SHA256SUMS"]
    listed = dict(reversed(line.split("  ")) for line in (bundle.path / "SHA256SUMS").read_text().splitlines())
    assert listed == files
    # The collection that travels is the one that was released, to the byte.
    assert files[f"collections/{tarball.name}"] == hashlib.sha256(tarball.read_bytes()).hexdigest()
    assert {name.split("-")[1] for name in files if name.startswith("collections/community-")} == {
        "docker",
        "library_inventory_filtering_v1",
    }
    settings = yaml.safe_load((bundle.path / "settings.yml").read_text())
    assert settings["hsflowd_deb_sha256"] == {
        name.rsplit("/", 1)[1]: digest for name, digest in files.items() if name.startswith("packages/")
    }


def test_the_bill_of_materials_is_valid_and_complete(bundle, releases):
    bundle()
    text = (bundle.path / "sbom.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(text) is None
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(text.replace('"bom-ref"', '"bom_ref"')) is not None
    bill = json.loads(text)
    files = everything(bundle.path)
    told = {}
    for component in bill["components"]:
        properties = {row["name"].split(":", 1)[1]: row["value"] for row in component["properties"]}
        if "file" in properties:
            told[properties["file"]] = component["hashes"][0]["content"]
            assert component["version"]
        else:
            assert component["purl"].startswith(("pkg:deb/ubuntu/", "pkg:deb/debian/"))
    assert told == {name: digest for name, digest in files.items() if "/" in name}
    agents = [one for one in bill["components"] if one["name"] == "hsflowd"]
    assert {one["version"] for one in agents} == {"2.0.53-1", "2.1.25-4"}
    assert {one["externalReferences"][0]["url"] for one in agents} == {f"file://{p}" for p in releases.rglob("*.deb")}
    # What the roles may install by the package manager is named, too.
    names = {one["name"] for one in bill["components"]}
    packages = "".join(path.read_text() for path in (REPO / "roles").rglob("tasks/*.yml"))
    for name in re.findall(r"\b(python3-\w+|nginx|openssl|docker\.io)\b", packages):
        assert name in names


@pytest.mark.parametrize(
    ("variables", "words", "begun"),
    [
        ({"sflow_bundle_platforms": ["debian12"]}, "hsflowd-debian12_2.0.53-1_amd64.deb", True),
        ({"sflow_bundle_platforms": ["plan9"]}, "no default is known for", False),
        ({"sflow_bundle_platforms": "ubuntu18", "sflow_bundle_sha256": {"hsflowd-ubuntu18_2.0.53-1_amd64.deb": "0" * 64}}, "did not match", True),
        ({"sflow_bundle_sha256": {"hsflowd-debain13_2.1.25-4_amd64.deb": "0" * 64}}, "which does not come into the bundle", False),
        ({"sflow_bundle_sha256": {"hsflowd-ubuntu18_2.0.53-1_amd64.deb": ""}}, "no sum for hsflowd-debian13_2.1.25-4_amd64.deb; add it", False),
        ({"sflow_bundle_version": "latest"}, "sflow_bundle_version is 'latest', not a version", False),
        ({"sflow_bundle_collections": ["netviz.missing"]}, "netviz.missing is not installed", True),
        ({"sflow_bundle_image": "example.net/viewer@sha256:" + "0" * 64}, "expected the name of an image with a tag", False),
    ],
)
def test_what_cannot_be_bundled_is_said(bundle, variables, words, begun):
    """begun: what only shows on the way. The rest is refused before anything is made."""
    done = bundle(check=False, **variables)
    assert done.returncode
    assert words in " ".join((done.stdout + done.stderr).split())
    assert not (bundle.path / "SHA256SUMS").exists()
    assert bundle.path.exists() == begun
    assert not list(bundle.path.rglob("*.tar"))


def test_the_settings_take_the_image_of_the_bundle_whatever_digest_the_inventory_pins(bundle):
    bundle()
    # Saving an image needs an engine. Writing the settings does not; the run ends behind it.
    bundle("--start-at-task", "Write the settings", check=False, sflow_bundle_image="example.net/viewer:1")
    settings = yaml.safe_load((bundle.path / "settings.yml").read_text())
    assert settings["sflow_rt_image"] == "example.net/viewer:1"
    assert settings["sflow_rt_image_digest"] == ""
    assert settings["sflow_rt_image_pull"] == "never"


class Asking(http.server.SimpleHTTPRequestHandler):
    """Gives its files to who says the password."""

    def log_message(self, format, *args):
        pass

    def do_GET(self):
        if self.headers.get("Authorization") == "Basic " + base64.b64encode(b"us+er:s3cret/%").decode():
            super().do_GET()
        else:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="packages"')
            self.send_header("Content-Length", "0")
            self.end_headers()


def test_a_password_of_the_mirror_is_neither_shown_nor_packed(bundle, releases):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Asking, directory=str(releases)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"127.0.0.1:{server.server_port}"
    done = bundle("-vvv", check=False, sflow_bundle_release_url=f"http://us+er:s3cret%2F%25@{address}")
    server.shutdown()
    assert done.returncode == 0, done.stdout
    assert "s3cret" not in done.stdout + done.stderr
    text = (bundle.path / "sbom.cdx.json").read_text()
    assert f"http://{address}/v2.0.53-1/" in text and "s3cret" not in text


def test_a_changed_or_missing_file_is_not_packed(bundle, installed):
    place = Path(installed["ANSIBLE_COLLECTIONS_PATH"]) / "ansible_collections/netviz/sflow"
    (place / "docs/security.md").unlink()
    bundle()  # documentation and tests may be left out, as some distributors do
    (place / "roles/hsflowd/tasks/remove.yml").write_text("---\n")
    assert "remove.yml was changed" in bundle(check=False).stdout
    (place / "roles/hsflowd/tasks/remove.yml").unlink()
    assert "remove.yml is missing" in bundle(check=False).stdout


def test_it_installs_without_any_network(bundle, run, tmp_path):
    """As docs/bundle.md says, by somebody who has nothing but ansible-core, in a network namespace without a way out."""
    bundle()
    cut_off = ["unshare", "--net"]
    if os.geteuid() or not shutil.which("unshare") or run(*cut_off, "true", check=False).returncode:
        pytest.skip("needs root and unshare")
    env = {
        "HOME": str(tmp_path / "nobody"),
        "ANSIBLE_COLLECTIONS_PATH": str(tmp_path / "nobody/collections"),
        "ANSIBLE_COLLECTIONS_SCAN_SYS_PATH": "false",
    }
    install = "ansible-galaxy collection install --offline collections/*.tar.gz"
    assert install in (REPO / "docs/bundle.md").read_text()
    run(*cut_off, "sh", "-c", install, env=env, cwd=bundle.path)
    run(*cut_off, "ansible-galaxy", "collection", "verify", "--offline", "community.docker", env=env, cwd=tmp_path)
    shown = json.loads(run("ansible-galaxy", "collection", "list", "--format", "json", env=env).stdout)
    assert sorted(name for names in shown.values() for name in names) == [
        "community.docker",
        "community.library_inventory_filtering_v1",
        "netviz.sflow",
    ]
    run(*cut_off, "ansible-playbook", "--syntax-check", "netviz.sflow.site", "-i", "localhost,", env=env, cwd=tmp_path)
