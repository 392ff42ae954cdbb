# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
from typing import Any

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: sha512_crypt
short_description: Hash a password the way of openssl passwd -6
version_added: 1.0.0
author:
  - netviz.sflow contributors (@netviz)
description:
  - Makes a SHA-512 crypt hash, which nginx and C(/etc/shadow) understand, from a password and a salt.
  - The same password and salt give the same hash with every version of Ansible and Python. P(ansible.builtin.password_hash#filter)
    needs the library passlib with some versions, and takes the salt in another way with others, so a file made by it
    changes when the control node does.
positional: salt
options:
  _input:
    description: The password.
    type: str
    required: true
  salt:
    description: Text that makes equal passwords of two users different. Its first 16 characters count.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the line of a user
  ansible.builtin.debug:
    msg: "reader:{{ 'correct horse' | netviz.sflow.sha512_crypt('saltstring') }}"
"""

RETURN = r"""
_value:
  description: The hash, with its method and salt.
  type: str
"""

ROUNDS = 5000
ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def repeat(digest: bytes, length: int) -> bytes:
    return (digest * (length // len(digest) + 1))[:length]


def encode(digest: bytes) -> str:
    """Write the digest in the order and alphabet of the method: three bytes, 21 steps apart, in four characters."""
    text = []
    for index in range(21):
        group = [index, index + 21, index + 42]
        first, second, third = group[index % 3 :] + group[: index % 3]
        value = digest[first] << 16 | digest[second] << 8 | digest[third]
        text += [ALPHABET[value >> shift & 63] for shift in (0, 6, 12, 18)]
    return "".join(text) + ALPHABET[digest[63] & 63] + ALPHABET[digest[63] >> 6]


def sha512_crypt(password: Any, salt: Any) -> str:
    """SHA-512 crypt with 5000 rounds, by the public specification (Drepper, "Unix crypt using SHA-256 and SHA-512")."""
    if not isinstance(password, str) or not isinstance(salt, str):
        raise AnsibleFilterError("sha512_crypt wants a password and a salt as texts; write numbers in quotes.")
    short = salt[:16]
    if not short or set(short) - set(ALPHABET):
        raise AnsibleFilterError("sha512_crypt wants a salt of letters, digits, dots and slashes.")
    key, seed = password.encode(), short.encode()
    inner = hashlib.sha512(key + seed + key).digest()
    mixed = key + seed + repeat(inner, len(key))
    bits = len(key)
    while bits:
        mixed += inner if bits & 1 else key
        bits >>= 1
    digest = hashlib.sha512(mixed).digest()
    key_bytes = repeat(hashlib.sha512(key * len(key)).digest(), len(key))
    salt_bytes = repeat(hashlib.sha512(seed * (16 + digest[0])).digest(), len(seed))
    for number in range(ROUNDS):
        step = key_bytes if number & 1 else digest
        step += (salt_bytes if number % 3 else b"") + (key_bytes if number % 7 else b"")
        digest = hashlib.sha512(step + (digest if number & 1 else key_bytes)).digest()
    return f"$6${short}${encode(digest)}"


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"sha512_crypt": sha512_crypt}
