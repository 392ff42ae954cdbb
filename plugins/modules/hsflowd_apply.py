#!/usr/bin/python
# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


DOCUMENTATION = r"""
module: hsflowd_apply
short_description: Bring the Host sFlow agent of a host to a state, or leave it as it was
version_added: 1.0.0
description:
  - The part of the role P(netviz.sflow.hsflowd#role) that changes a host. Use the role; it works out these options from its variables.
  - Package, configuration, drop-ins and service change as one transaction in one round trip. The installed daemon judges the
    configuration before it is put in place, and after the restart the module waits until the daemon says that it is in effect.
  - When a step fails, the old configuration and the old package come back, the service is restarted with them, and the module fails
    with the daemon's own words. The package comes back from the copy of it in C(/var/lib/netviz-sflow), which is made of what is
    installed where something else has installed it.
  - A run that was killed is repaired by the next one.
author:
  - netviz.sflow contributors (@netviz)
options:
  state:
    description:
      - Whether hsflowd is to be there.
      - V(proved) and V(previous) end a change that was made with O(keep_record=true). V(proved) lets it stand, which needs no Python on
        the host and is done without the module.
      - V(previous) brings back the configuration, the package and the state of the service from before.
    type: str
    choices: [present, absent, proved, previous]
    default: present
  config:
    description: The whole text of C(/etc/hsflowd.conf). Required with O(state=present).
    type: str
  drop_ins:
    description: The drop-ins of the service, file name to text. Others whose names begin with C(netviz-) are removed.
    type: dict
    default: {}
  package_manage:
    description: Whether the package is the module's business. If V(false), whatever is installed is used.
    type: bool
    default: true
  package_file:
    description: The package. A path on the controller, unless O(package_remote=true).
    type: path
  package_remote:
    description: Whether O(package_file) is a path on the host.
    type: bool
    default: false
  package_data:
    description: The content of O(package_file), encoded. Set by the action plugin; not for use in a task.
    type: str
  package_url:
    description: Where the host itself downloads the package, instead of O(package_file).
    type: str
  url_username:
    description: The user, where O(package_url) asks for one.
    type: str
  url_password:
    description: The password of O(url_username). One in O(package_url) is shown by C(-vvv).
    type: str
  package_version:
    description: The version of the package, as dpkg says it.
    type: str
  package_sha256:
    description: The sum that the package must have.
    type: str
  libraries:
    description: Packages of the distribution to install before.
    type: list
    elements: str
    default: []
  enabled:
    description: Whether the service starts at boot.
    type: bool
    default: true
  collectors:
    description: Collectors that must be in effect after the restart, each with C(ip) and C(udpport).
    type: list
    elements: dict
    default: []
  agent_address:
    description: The agent address that must be in effect.
    type: str
  sampling:
    description: The sampling rate that must be in effect.
    type: int
  polling:
    description: The polling interval that must be in effect.
    type: int
  modules:
    description: Modules that the daemon must have loaded.
    type: list
    elements: str
    default: []
  dns_sd:
    description: The SRV record that tells the daemon its collectors, where the DNS does.
    type: str
  ready_timeout_seconds:
    description:
      - How long to wait until the daemon says what is in effect. It does so about four seconds after its start.
      - With O(dns_sd) at least 45, because it asks the DNS for the first time after up to 30 seconds.
    type: int
    default: 20
  grace_seconds:
    description: How long the daemon must have been up before it is taken to be up.
    type: int
    default: 3
  lock_timeout_seconds:
    description: How long to wait while another dpkg or apt is at work, or another run of this module changes the host.
    type: int
    default: 120
  download_retries:
    description: How often a download is tried again.
    type: int
    default: 5
  download_delay_seconds:
    description: The pause before a download is tried again.
    type: float
    default: 2
  download_timeout_seconds:
    description: How long a download may stand still.
    type: int
    default: 30
  rollback:
    description: Whether a failure brings the old state back.
    type: bool
    default: true
  backup:
    description: Whether the configuration before is kept as C(/etc/hsflowd.conf.previous).
    type: bool
    default: true
  keep_record:
    description:
      - Whether the record of the state before outlives a change that came into effect, so that O(state=previous) can go back to it
        when a proof from outside fails.
      - Until O(state=proved) or O(state=previous) the host counts as one on which a run was interrupted.
      - Where the configuration alone decides what is going to be in effect (collectors and agent address are addresses, without O(dns_sd)),
        the module then does not wait until the daemon says it. It returns RV(awaited), for O(awaited).
    type: bool
    default: false
  settle:
    description: Whether the module waits for that with O(keep_record=true) too, so that packets can be sent that the daemon is to sample.
    type: bool
    default: false
  awaited:
    description:
      - With O(state=proved), what the daemon must say is in effect before the change stands, as O(state=present) returned it. Where it
        does not, the state before comes back, or with O(rollback=false) the change stays and it is said.
    type: dict
  record:
    description: The record that O(state=proved) and O(state=previous) are about, as O(state=present) returned it; one of another run is left to that.
    type: str
  new_host:
    description: What O(state=previous) does on a host that had no hsflowd before, remove it again or leave it there, stopped.
    type: str
    choices: [remove, stop]
    default: remove
  keep_config:
    description: Whether O(state=absent) leaves C(/etc/hsflowd.conf).
    type: bool
    default: false
  warnings:
    description: Sentences to show as warnings.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: full
  platform:
    description: Target OS or families that can be operated against.
    support: full
    platforms: debian
requirements:
  - Python 3.6 or later, dpkg and systemd on the host
seealso:
  - module: netviz.sflow.hsflowd_info
    description: Observes what this module changes.
"""

EXAMPLES = r"""
- name: Configure an agent that is installed
  netviz.sflow.hsflowd_apply:
    package_manage: false
    config: |
      sflow {
        polling = 20
        sampling = 400
        collector { ip=192.0.2.10 udpport=6343 }
        pcap { dev=eth0 }
      }
    collectors:
      - ip: 192.0.2.10
        udpport: 6343
  become: true

- name: Take the agent away
  netviz.sflow.hsflowd_apply:
    state: absent
  become: true
"""

RETURN = r"""
changes:
  description: What was changed, or would be.
  returned: always
  type: list
  elements: str
  sample: [package, config, service]
version_before:
  description: The version of the package before the change; before the first one, where a run was interrupted.
  returned: success, with O(state=present) and O(state=absent)
  type: str
  sample: 2.0.53-1
auto:
  description: What the daemon says is in effect, in the form of M(netviz.sflow.hsflowd_info).
  returned: after a restart
  type: dict
words:
  description: What the daemon, dpkg or systemd said.
  returned: on failure
  type: str
awaited:
  description: What O(state=proved) is to look for, for its option O(awaited), as the daemon was not waited for.
  returned: success, after a restart with O(keep_record=true) and without O(settle), where it is known beforehand
  type: dict
record:
  description: Which record of the state before this change has, for the option O(record).
  returned: success, after a change with O(state=present)
  type: str
  sample: 0123456789ABCDEF
unproved:
  description: What is not in effect, as a sentence.
  returned: with O(state=proved), where that is not what was awaited
  type: str
  sample: the collector 192.0.2.10 port 6343 is not in effect
observed:
  description: The host after the change, in the form of M(netviz.sflow.hsflowd_info).
  returned: with O(state=present) and O(state=previous), unless check mode predicts a change
  type: dict
left:
  description: The state that is left, as a sentence.
  returned: with O(state=previous)
  type: str
  sample: the old configuration is back and the service is active
notes:
  description: What did not work and does no harm now, such as a copy of the package that could not be made. They are warnings too.
  returned: success
  type: list
  elements: str
"""

import base64
import contextlib
import hashlib
import io
import os
import re
import shutil
import tempfile
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.netviz.sflow.plugins.module_utils import _hsflowd_apply as engine
from ansible_collections.netviz.sflow.plugins.module_utils import _hsflowd_host as host
from ansible_collections.netviz.sflow.plugins.module_utils._hsflowd_repack import whole

SPEC = dict(
    state=dict(type="str", choices=["present", "absent", "proved", "previous"], default="present"),
    config=dict(type="str"),
    drop_ins=dict(type="dict", default={}),
    package_manage=dict(type="bool", default=True),
    package_file=dict(type="path"),
    package_remote=dict(type="bool", default=False),
    package_data=dict(type="str", no_log=True),  # kept out of the log for its size
    package_url=dict(type="str"),
    url_username=dict(type="str"),  # fetch_url looks for these two itself
    url_password=dict(type="str", no_log=True),
    package_version=dict(type="str"),
    package_sha256=dict(type="str"),
    libraries=dict(type="list", elements="str", default=[]),
    enabled=dict(type="bool", default=True),
    collectors=dict(type="list", elements="dict", default=[]),
    agent_address=dict(type="str"),
    sampling=dict(type="int"),
    polling=dict(type="int"),
    modules=dict(type="list", elements="str", default=[]),
    dns_sd=dict(type="str"),
    ready_timeout_seconds=dict(type="int", default=20),
    grace_seconds=dict(type="int", default=3),
    lock_timeout_seconds=dict(type="int", default=120),
    download_retries=dict(type="int", default=5),
    download_delay_seconds=dict(type="float", default=2),
    download_timeout_seconds=dict(type="int", default=30),
    rollback=dict(type="bool", default=True),
    backup=dict(type="bool", default=True),
    keep_record=dict(type="bool", default=False),
    record=dict(type="str"),
    settle=dict(type="bool", default=False),
    awaited=dict(type="dict"),
    new_host=dict(type="str", choices=["remove", "stop"], default="remove"),
    keep_config=dict(type="bool", default=False),
    warnings=dict(type="list", elements="str", default=[]),
)


def put(module: Any, source: Any) -> str:
    """Writes a package to a file that goes with the module; returns its path."""
    handle, path = tempfile.mkstemp(suffix=".deb", dir=module.tmpdir)
    with os.fdopen(handle, "wb") as stream:
        shutil.copyfileobj(source, stream)
    return path


def download(module: Any) -> Any:
    """Fetches the package onto the host; returns its path."""
    from http.client import HTTPException

    from ansible.module_utils.urls import fetch_url  # most runs need nothing of it, and it takes longest to load

    p = module.params
    why = ""
    for attempt in range(p["download_retries"] + 1):
        if attempt:
            time.sleep(p["download_delay_seconds"])
        response, info = fetch_url(module, p["package_url"], timeout=p["download_timeout_seconds"])
        # A file:// address has no status.
        if (
            response is not None
            and info.get("status") in (200, None, -1)
            and "msg" in info
            and str(info["msg"]).startswith("OK")
        ):
            try:
                path = put(module, response)
            except (OSError, HTTPException) as error:
                why = str(error)
            else:
                if whole(path):
                    return path
                why = "what came is no whole Debian package"
        else:
            why = info.get("msg", "no answer")
    failed = "%s could not be downloaded by the host after %d tries: %s" % (p["package_url"], p["download_retries"] + 1, why)
    raise engine.Failed(
        "%s. Set hsflowd_release_url to a mirror, hsflowd_deb_url to the package of "
        "another platform that runs here, hsflowd_deb_file to a file on the controller, or hsflowd_download_on: controller"
        % re.sub(r"//\S*@", "//***@", failed)
    )


def carried(module: Any) -> str:
    """The package that came with the arguments; returns its path."""
    try:
        return put(module, io.BytesIO(base64.b64decode(module.params["package_data"])))
    except OSError as error:
        raise engine.Failed(
            "the package could not be written to %s (%s), so nothing was changed" % (module.tmpdir, error.strerror)
        ) from None


def check_sum(path: Any, wanted: Any) -> None:
    if not wanted:
        return
    with open(path, "rb") as stream:
        found = hashlib.sha256(stream.read()).hexdigest()
    if found != wanted.lower():
        raise engine.Failed("the package has the sha256 %s, not %s; nothing was installed" % (found, wanted.lower()))


def predict(module: Any, p: Any) -> None:
    """Check mode asks the installed daemon too; the candidate lies in the module's own directory."""
    path = os.path.join(module.tmpdir, "hsflowd.conf")
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(p["config"])
    words = engine.validate(path)
    if words is not None:
        raise engine.Failed("hsflowd rejects the configuration", words)


def work(module: Any, transaction: engine.Transaction) -> None:
    """Does what the module was asked for, and ends it. Raises Failed."""
    p = module.params
    if p["state"] == "absent":
        package = host.package()[0]
        changes = engine.remove(p, module.check_mode)
        diff = [{"before": "".join(c + "\n" for c in changes), "after": ""}] if changes else []
        before = package["version"] if package["installed"] else None
        module.exit_json(changed=bool(changes), changes=changes, diff=diff, version_before=before)
    if p["state"] == "previous":
        engine.own_record(p["record"])
        left = "" if module.check_mode else transaction.go_back(p["new_host"])
        module.exit_json(changed=True, changes=["previous"], left=left, observed=host.observe())
    changed = transaction.look()
    if not changed or module.check_mode:
        if changed and not transaction.package_due and not p["libraries"]:
            predict(module, p)
        # Nothing to do here is news to the caller: somebody else has done it meanwhile.
        news = {} if changed else {"observed": host.observe()}
        module.exit_json(
            changed=changed, changes=transaction.changes, diff=transaction.diff,
            version_before=transaction.version_before, **news,
        )  # fmt: skip
    if transaction.package_due:
        if p["package_url"]:
            p["package_file"] = download(module)
        elif p["package_data"]:
            p["package_file"] = carried(module)
        if not p["package_file"]:
            raise engine.Failed("no package was given, and hsflowd %s is not installed" % p["package_version"])
        check_sum(p["package_file"], p["package_sha256"])
    auto = transaction.apply()
    for sentence in transaction.note:
        module.warn(sentence)
    observed = host.observe()
    later = {}
    if transaction.restart_due and transaction.foreseen:
        observed["auto"] = auto
        later["awaited"] = {name: p[name] for name in ("collectors", "agent_address", "sampling", "polling")}
        later["awaited"]["seconds"] = transaction.patience
    module.exit_json(
        changed=True,
        changes=transaction.changes,
        diff=transaction.diff,
        version_before=transaction.version_before,
        auto=auto,
        notes=transaction.note,
        observed=observed,
        record=transaction.record,
        **later,
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec=SPEC,
        supports_check_mode=True,
        required_if=[("state", "present", ["config"])],
        mutually_exclusive=[("package_file", "package_data", "package_url")],
    )
    for sentence in module.params["warnings"]:
        module.warn(sentence)
    transaction = engine.Transaction(module.params)
    try:
        if os.geteuid() != 0:
            raise engine.Failed("the login is not root, which alone can change the agent; set ansible_become: true for this host")
        with contextlib.ExitStack() as stack:
            if not module.check_mode:
                stack.enter_context(engine.locked(module.params["lock_timeout_seconds"]))
            work(module, transaction)
    except OSError as error:
        module.fail_json(
            msg="%s: %s" % (error.filename or "a file could not be read or written", error.strerror),
            changes=transaction.changes,
            diff=transaction.diff,
        )
    except engine.Failed as failure:
        words = failure.words
        module.fail_json(
            msg=failure.message + (". It said: %s" % words if words else ""),
            words=words,
            changes=transaction.changes,
            diff=transaction.diff,
        )


if __name__ == "__main__":
    main()
