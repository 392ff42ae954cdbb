# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bundle is to hold, what of its variables is refused, and its bill of materials. The scenario airgap installs from one."""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

pytest.importorskip("ansible", reason="no ansible-core is installed for this Python")
from ansible_collections.netviz.sflow.plugins.filter.sflow_bundle import (
    sflow_bundle_bom,
    sflow_bundle_digests,
    sflow_bundle_plan,
)

REPO = pathlib.Path(__file__).resolve().parents[3]
UPSTREAM = "https://github.com/sflow/host-sflow/releases/download"
MIRROR = "https://mirror.example.net/hsflowd"
NAME = "hsflowd-ubuntu18_2.0.53-1_amd64.deb"
SUM = "0123456789abcdef" * 4
PLATFORMS = "expected a list of platforms by upstream's names, such as [ubuntu18, debian12]"
SUMS = "expected a mapping of file names to 64 hexadecimal digits, or to nothing for no check"


def plan(**variables):
    return sflow_bundle_plan({f"sflow_bundle_{name}": value for name, value in variables.items()})


def test_without_variables_it_is_what_upstream_publishes():
    found = plan()
    assert found["problems"] == [] and found["path"] == "netviz-sflow-bundle" and found["collections"] == ["netviz.sflow"]
    assert {one["platform"]: one["version"] for one in found["packages"]} == {
        "ubuntu18": "2.0.53-1",
        "ubuntu20": "2.0.53-1",
        "ubuntu22": "2.0.53-1",
        "ubuntu24": "2.1.25-4",
        "debian11": "2.1.25-4",
        "debian12": "2.0.53-1",
        "debian13": "2.1.25-4",
    }
    assert found["packages"][0] == {
        "platform": "ubuntu18",
        "architecture": "amd64",
        "version": "2.0.53-1",
        "asset": NAME,
        "url": f"{UPSTREAM}/v2.0.53-1/{NAME}",
        "sha256": "",
        "file": f"packages/v2.0.53-1/{NAME}",
    }
    assert plan(path="", platforms=None, version="", image="") == found


@pytest.mark.parametrize("platforms", [["ubuntu18", "debian12"], "ubuntu18,debian12", "[ubuntu18, debian12]"])
def test_a_list_from_the_command_line_is_a_text(platforms):
    found = plan(platforms=platforms)
    assert [one["platform"] for one in found["packages"]] == found["platforms"] == ["ubuntu18", "debian12"]


def test_a_mirror_may_have_what_upstream_never_built_and_its_password_is_in_no_address():
    found = plan(release_url=MIRROR.replace("//", "//me:pa55@"), platforms=["ubuntu18"], architectures=["amd64", "arm64"], version="2.0.53-1")
    assert [one["url"] for one in found["packages"]] == [
        f"{MIRROR}/v2.0.53-1/{NAME}",
        f"{MIRROR}/v2.0.53-1/{NAME.replace('amd64', 'aarch64')}",
    ]
    assert "pa55" not in json.dumps(found["packages"])


@pytest.mark.parametrize(("given", "taken"), [(SUM, SUM), (f"sha256:{SUM.upper()}", SUM), ("", ""), (None, "")])
def test_sums(given, taken):
    found = plan(platforms=["ubuntu18"], sha256={NAME: given})
    assert found["problems"] == [] and [one["sha256"] for one in found["packages"]] == [taken]


@pytest.mark.parametrize(("variables", "sentences"), [
    ({"path": 5}, ["sflow_bundle_path is 5; expected the path of a directory"]),
    ({"platforms": 5}, [f"sflow_bundle_platforms is 5; {PLATFORMS}"]),
    ({"platforms": ["../x"]}, [f'sflow_bundle_platforms is ["../x"]; {PLATFORMS}']),
    ({"architectures": ["amd64", "a/b"]}, ['sflow_bundle_architectures is ["amd64", "a/b"]; '
                                           "expected a list of architectures by dpkg's names, such as [amd64]"]),
    ({"version": "2.x"}, ["sflow_bundle_version is '2.x', not a version such as 2.0.53-1"]),
    ({"version": "2.0.53"}, ["sflow_bundle_version is 2.0.53; upstream's releases end in a number of their own: 2.0.53-1, not 2.0.53"]),
    ({"release_url": "https://me:pa/55@host"}, ['sflow_bundle_release_url is "https://***@host"; '
                                                "expected a URL of http, https, ftp or file, in which a / of a password is written %2F"]),
    (
        {"release_url": "ftp://me:pa55@host"},
        [
            "sflow_bundle_release_url is 'ftp://***@host' with a password, which Ansible would show in what a run says; "
            "expected https://, or ftp:// without one"
        ],
    ),
    ({"sha256": [SUM]}, [f'sflow_bundle_sha256 is ["{SUM}"]; {SUMS}']),
    ({"sha256": {NAME: "abc"}}, [f'sflow_bundle_sha256 is {{"{NAME}": "abc"}}; {SUMS}']),
    (
        {"sha256": {NAME: SUM, "other.deb": SUM}, "platforms": ["ubuntu18", "ubuntu20", "debian12"]},
        [
            "sflow_bundle_sha256 has no sum for hsflowd-debian12_2.0.53-1_amd64.deb, hsflowd-ubuntu20_2.0.53-1_amd64.deb; "
            "add it, or the name without a sum for no check",
            "sflow_bundle_sha256 has a sum for other.deb, which does not come into the bundle",
        ],
    ),
    ({"collections": "netviz"}, ['sflow_bundle_collections is "netviz"; expected a list of collections, such as [netviz.sflow]']),
    (
        {"image": "sflow/vizceral@sha256:" + SUM},
        [
            f'sflow_bundle_image is "sflow/vizceral@sha256:{SUM}"; expected the name of an image with a tag, such as sflow/vizceral:latest. '
            "A digest does not come along; SHA256SUMS has a sum of the archive"
        ],
    ),
    ({"image_pull": "sometimes"}, ['sflow_bundle_image_pull is "sometimes"; expected missing, always or never']),
    ({"platforms": ["debian5"], "release_url": MIRROR}, ["sflow_bundle_version is auto, and no default is known for this system (debian5); give it"]),
    ({"platforms": ["ubuntu18"], "architectures": ["arm64"]}, ["upstream publishes no hsflowd package for ubuntu18 on arm64, only for amd64"]),
    (
        {"platforms": ["fedora40"]},
        [
            "upstream publishes no hsflowd package for this system (fedora40); it does for debian10, debian11, debian12, debian13, ubuntu18, "
            "ubuntu20, ubuntu22, ubuntu24"
        ],
    ),
    (
        {"image_pull": "no", "path": ["x"]},
        ['sflow_bundle_path is ["x"]; expected the path of a directory', 'sflow_bundle_image_pull is "no"; expected missing, always or never'],
    ),
])
def test_refused(variables, sentences):
    assert plan(**variables)["problems"] == sentences


def failed(**variables):
    """What the playbook says in the end."""
    playbook = shutil.which("ansible-playbook") or os.path.join(os.path.dirname(sys.executable), "ansible-playbook")
    command = [playbook, "-i", "localhost,", "playbooks/bundle.yml", "-e", json.dumps(variables)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=REPO)
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 2, said
    return said


def test_the_playbook_says_what_it_refuses_and_makes_nothing(tmp_path):
    said = failed(sflow_bundle_path=str(tmp_path / "bundle"), sflow_bundle_version="2.x", sflow_bundle_platform=["ubuntu18"])
    assert "sflow_bundle_version is '2.x', not a version such as 2.0.53-1" in said, said
    assert "sflow_bundle_platform is no variable of netviz.sflow and changes nothing; sflow_bundle_platforms is one" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("page", "words"), [
    ("<html>login</html>", "{url}: what came is no whole Debian package, and was deleted; leave out what is not published by sflow_bundle_platforms"),
    (None, "{url}: "),
])
def test_what_is_no_package_does_not_stay_in_a_bundle(tmp_path, page, words):
    directory = tmp_path / "mirror/v2.0.53-1"
    directory.mkdir(parents=True)
    if page:
        (directory / NAME).write_text(page)
    mirror = f"file://{tmp_path}/mirror"
    said = failed(sflow_bundle_path=str(tmp_path / "bundle"), sflow_bundle_platforms=["ubuntu18"], sflow_bundle_release_url=mirror)
    assert words.format(url=f"{mirror}/v2.0.53-1/{NAME}") in said and "or a mirror by sflow_bundle_release_url" in said, said
    assert not [path for path in (tmp_path / "bundle").rglob("*") if path.is_file()]


def test_digests(tmp_path):
    (tmp_path / "b").mkdir()
    for name, text in (("b/c", "one"), ("a", ""), ("SHA256SUMS", "old"), ("b/half.part", "x")):
        (tmp_path / name).write_text(text)
    found = sflow_bundle_digests(str(tmp_path), ("SHA256SUMS",))
    assert list(found.items()) == [("a", hashlib.sha256(b"").hexdigest()), ("b/c", hashlib.sha256(b"one").hexdigest())]
    assert sflow_bundle_digests(str(tmp_path / "not there")) == {}


def test_bill_of_materials():
    packages = plan(platforms=["ubuntu18", "debian13"])["packages"]
    collection = {"name": "netviz.sflow", "version": "1.0.0", "license": ["GPL-3.0-or-later"], "source": "", "file": "n.tar.gz", "sha256": SUM}
    image = {"name": "registry.example.net:5000/sflow/vizceral:3.1", "file": "images/v.tar", "id": "sha256:1"}
    digests = {packages[0]["file"]: SUM, "images/v.tar": SUM}
    bill = sflow_bundle_bom(packages, [collection], digests, image)
    assert bill == json.loads(json.dumps(sflow_bundle_bom(packages, [collection], digests, image)))
    parts = {one["purl"]: one for one in bill["components"]}
    assert bill["dependencies"] == [{"ref": "bundle", "dependsOn": list(parts)}] and len(parts) == len(bill["components"])
    agent = parts["pkg:deb/sflow/hsflowd@2.0.53-1?arch=amd64&distro=ubuntu18"]
    assert agent["hashes"] == [{"alg": "SHA-256", "content": SUM}] and agent["externalReferences"][0]["url"] == packages[0]["url"]
    assert "hashes" not in parts["pkg:deb/sflow/hsflowd@2.1.25-4?arch=amd64&distro=debian13"]  # nothing is there, as in check mode
    assert parts["pkg:docker/registry.example.net:5000/sflow/vizceral@3.1"]["hashes"] == agent["hashes"]
    assert parts["pkg:generic/netviz.sflow@1.0.0"]["licenses"] == [{"license": {"id": "GPL-3.0-or-later"}}]
    assert {"pkg:deb/ubuntu/libpcap0.8?distro=ubuntu18", "pkg:deb/debian/libpcap0.8t64?distro=debian13"} <= set(parts)
    assert bill["serialNumber"] != sflow_bundle_bom(packages, [collection], {}, image)["serialNumber"]
