# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The viewer's filters: hashes against openssl, addresses of inventory groups."""

import shutil
import subprocess

import pytest

pytest.importorskip("ansible.errors", reason="ansible-core does not run on this Python")
from ansible.errors import AnsibleFilterError
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
