# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import ssl
import tempfile
from typing import Any

DOCUMENTATION = r"""
name: certificate_fault
short_description: Say why a server cannot use a certificate with a key
version_added: 1.0.0
author:
  - netviz.sflow contributors (@netviz)
description:
  - Loads the certificate and the key as a server does, on the control node, before either of them is copied to a host.
  - It needs no library beside that of Python. It tells nothing of the certificate's names and dates.
positional: key
options:
  _input:
    description: The text of the certificate and its chain, in the PEM format. Empty means that it could not be read.
    type: str
    required: true
  key:
    description: The text of the key. Empty means that it could not be read.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse a certificate and a key that do not belong together
  ansible.builtin.assert:
    that: fault == ''
    fail_msg: "{{ fault }}"
  vars:
    fault: >-
      {{ lookup('ansible.builtin.file', 'viewer.pem')
         | netviz.sflow.certificate_fault(lookup('ansible.builtin.file', 'viewer.key')) }}
"""

RETURN = r"""
_value:
  description: A sentence, or nothing when they can be used.
  type: str
  sample: The certificate and the key do not belong together.
"""


def certificate_fault(certificate: Any, key: Any) -> str:
    missing = [name for name, text in (("certificate", certificate), ("key", key)) if not text]
    if missing:
        return f"The file of the {' and that of the '.join(missing)} cannot be read on the control node, or not be decrypted."
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # which keys are too weak is for the host to say
    asked = False

    def passphrase() -> str:
        nonlocal asked
        asked = True
        return ""

    # Python loads from files only; the directory is open to this user alone.
    with tempfile.TemporaryDirectory() as directory:
        paths = []
        for name, text in (("certificate", certificate), ("key", key)):
            paths.append(os.path.join(directory, name))
            with open(paths[-1], "w", encoding="utf-8") as handle:
                handle.write(f"{text}\n")
        try:
            context.load_cert_chain(paths[0], paths[1], password=passphrase)  # or OpenSSL would ask at the terminal
        except (ssl.SSLError, OSError, ValueError) as error:
            if asked:
                return "The key is encrypted with a passphrase, which nobody gives to the server when it starts."
            reason = getattr(error, "reason", None) or str(error)
            if reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"):  # the last: of another kind
                return "The certificate and the key do not belong together."
            return f"The certificate and the key cannot be loaded: {reason}. They must be in the PEM format, the certificate before its chain."
    return ""


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"certificate_fault": certificate_fault}
