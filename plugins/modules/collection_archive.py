#!/usr/bin/python
# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
---
module: collection_archive
short_description: Pack installed collections for a place without the Internet
version_added: 1.0.0
description:
  - Writes the tarball of each collection, as C(ansible-galaxy collection install) takes it, from what is installed on the control
    node. The collections that they depend on are packed too. Nothing is downloaded.
  - Every file is compared with the checksum that the collection came with. One that was changed, or is missing, is an error; only
    tests and settings of development tools may be missing, since some distributors leave them out.
  - The bytes of a tarball depend on the names and contents of the files alone.
  - An action plugin of the same name does the work on the control node. Nothing runs on a host.
author:
  - netviz.sflow contributors (@netviz)
attributes:
  check_mode:
    support: full
    description: Predicts which tarballs are written.
  diff_mode:
    support: none
    description: A tarball has no lines to show.
  idempotent:
    support: full
    description: A second run writes nothing.
options:
  names:
    description: Names of the collections, such as V(netviz.sflow).
    type: list
    elements: str
    required: true
  dest:
    description: The directory to write to. It must exist.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Pack this collection and those that it needs
  netviz.sflow.collection_archive:
    names: [netviz.sflow]
    dest: /srv/netviz-sflow-bundle/collections
  delegate_to: localhost
"""

RETURN = r"""
archives:
  description: The tarballs, also those that were there already.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the collection.
      type: str
      sample: netviz.sflow
    version:
      description: Its version.
      type: str
      sample: 1.0.0
    source:
      description: Where it is developed.
      type: str
      sample: https://github.com/netviz/ansible-sflow
    license:
      description: Its licences, by their SPDX names.
      type: list
      elements: str
      sample: [GPL-3.0-or-later]
    file:
      description: Name of the tarball in O(dest).
      type: str
      sample: netviz-sflow-1.0.0.tar.gz
    sha256:
      description: Its checksum.
      type: str
      sample: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
"""
