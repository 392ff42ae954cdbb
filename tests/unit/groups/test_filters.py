# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The viewer's filters: hashes against openssl, addresses of inventory groups, certificates and keys."""

import shutil
import subprocess

import pytest

pytest.importorskip("ansible.errors", reason="no ansible-core is installed for this Python")
from ansible.errors import AnsibleFilterError
from ansible_collections.netviz.sflow.plugins.filter.certificate_fault import certificate_fault
from ansible_collections.netviz.sflow.plugins.filter.inventory_group_addresses import inventory_group_addresses
from ansible_collections.netviz.sflow.plugins.filter.sha512_crypt import sha512_crypt


def test_hash_of_the_specification():
    assert sha512_crypt("Hello world!", "saltstring") == (
        "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"
    )


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl on this machine")
@pytest.mark.parametrize("password", ["x", "correct horse", "Zürich 東京", "a" * 63, "a" * 64, "a" * 65, "b" * 200])
@pytest.mark.parametrize("salt", ["a", "0123456789abcdef", "././././././././longer than counts"])
def test_hash_equals_that_of_openssl(password, salt):
    command = ["openssl", "passwd", "-6", "-salt", salt[:16], "-stdin"]
    truth = subprocess.run(command, input=password.encode(), stdout=subprocess.PIPE, check=True).stdout.decode().strip()
    assert sha512_crypt(password, salt) == truth


@pytest.mark.parametrize(("password", "salt"), [(5, "salt"), ("x", ""), ("x", "a:b"), ("x", None)])
def test_hash_refuses(password, salt):
    with pytest.raises(AnsibleFilterError):
        sha512_crypt(password, salt)


GROUPS = {"web": ["a", "b"], "db": ["b", "192.0.2.3"], "empty": []}
HOSTVARS = {
    "a": {"ansible_host": "192.0.2.1"},
    "b": {"ansible_host": "b.example.com", "sflow_rt_member_addresses": ["192.0.2.2", "2001:db8::2"]},
    "192.0.2.3": {},
}


def test_addresses_of_groups():
    assert inventory_group_addresses({"Web": "web", "All": ["web", "db"]}, GROUPS, HOSTVARS) == {
        "Web": ["192.0.2.1", "192.0.2.2", "2001:db8::2"],
        "All": ["192.0.2.1", "192.0.2.2", "2001:db8::2", "192.0.2.3"],
    }


def test_unknown_inventory_group():
    with pytest.raises(AnsibleFilterError, match="has no group 'mail'"):
        inventory_group_addresses({"Mail": "mail"}, GROUPS, HOSTVARS)


def test_empty_inventory_group_is_for_the_module_to_refuse():
    assert inventory_group_addresses({"Empty": "empty"}, GROUPS, HOSTVARS) == {"Empty": []}


@pytest.mark.parametrize(
    ("wanted", "variables", "sentence"),
    [
        ({"DB": None}, {}, "Group 'DB': write the name of an inventory group or a list of them, not None."),
        ({"DB": [["db"]]}, {}, r"Group 'DB': write the name of an inventory group or a list of them, not \[\['db'\]\]."),
        ({"DB": "db"}, {"sflow_rt_member_addresses": "192.0.2.2"}, "b: sflow_rt_member_addresses is '192.0.2.2' and must be a list"),
    ],
)
def test_wrong_types_are_told(wanted, variables, sentence):
    with pytest.raises(AnsibleFilterError, match=sentence):
        inventory_group_addresses(wanted, {"db": ["b"]}, {"b": variables})


@pytest.fixture(scope="module")
def pem(tmp_path_factory):
    """Certificates and keys by name, as texts."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl on this machine")
    place = tmp_path_factory.mktemp("pem")
    curve = ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    for name, kind in (("old", curve), ("new", curve), ("weak", ["rsa:1024"])):
        command = ["openssl", "req", "-x509", "-newkey", *kind, "-nodes", "-subj", "/CN=" + name, "-keyout", name + ".key", "-out", name]
        subprocess.run(command, cwd=str(place), stderr=subprocess.PIPE, check=True)
    lock = ["openssl", "pkey", "-in", "old.key", "-aes256", "-passout", "pass:x", "-out", "locked.key"]
    subprocess.run(lock, cwd=str(place), stderr=subprocess.PIPE, check=True)
    return {path.name: path.read_text() for path in place.iterdir()}


@pytest.mark.parametrize(
    ("certificate", "key", "sentence"),
    [
        ("old", "old.key", ""),
        ("weak", "weak.key", ""),
        ("new", "old.key", "The certificate and the key do not belong together."),
        ("weak", "old.key", "The certificate and the key do not belong together."),
        ("old", "locked.key", "The key is encrypted with a passphrase"),
        ("old.key", "old", "The certificate and the key cannot be loaded: "),
        ("old", None, "The file of the key cannot be read on the control node"),
        (None, None, "The file of the certificate and that of the key cannot be read"),
    ],
)
def test_certificate_and_key(pem, certificate, key, sentence):
    told = certificate_fault(pem.get(certificate, ""), pem.get(key, ""))
    assert told.startswith(sentence)
    assert bool(told) is bool(sentence)


def test_certificate_before_its_chain_with_its_key_in_one_file(pem):
    both = pem["old"] + pem["new"] + pem["old.key"]
    assert certificate_fault(both.strip(), both.strip()) == ""
    assert certificate_fault(pem["new"] + pem["old"], pem["old.key"]) == "The certificate and the key do not belong together."
