# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long vizceral_groups takes for 100,000 CIDRs, beside json.dump of the same data in the same minute.

Usage: python tests/bench/bench_groups.py [--cidrs 100000] [--max-seconds 2] [PYTHON ...]
Every PYTHON (default: this one and the Python 3.6 of this machine) runs the pure part, and the whole module where the
ansible-core of this one still supports it. Times are of the processor, so that other work on the machine does not
count. Exit status 1 when one is above the bar.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
UTILS = os.path.join(ROOT, "plugins", "module_utils")


def data(cidrs):
    """Groups of 250 networks each: nine of ten IPv4 /24, the others IPv6 /48, every tenth group inside the first."""
    groups = {"Corporation": ["10.0.0.0/8"]}
    for index in range(cidrs - 1):
        name = f"Site{index // 250}"
        if index % 10 == 9:
            network = f"2001:db8:{index >> 16:x}:{index & 0xFFFF:x}::/64"
        else:
            value = (10 << 24 if index // 250 % 10 == 0 else 16 << 24) + (index << 8)
            network = f"{value >> 24}.{value >> 16 & 255}.{value >> 8 & 255}.0/24"
        groups.setdefault(name, []).append(network)
    return groups


def best(function, times=3):
    seconds = []
    while len(seconds) < times:
        begun = time.process_time()
        function()
        seconds.append(time.process_time() - begun)
    return min(seconds)


def pure(cidrs):
    """Runs in the interpreter that is measured."""
    sys.path.insert(0, UTILS)
    import _groups

    groups = data(cidrs)
    with tempfile.TemporaryFile("w") as sink:

        def dump():
            sink.seek(0)
            json.dump(groups, sink)

        result = {
            "python": "{}.{}.{}".format(*sys.version_info[:3]),
            "dump": best(dump),
            "plan": best(lambda: _groups.plan(groups)),
            "collapse": best(lambda: _groups.plan(groups, collapse_networks=True)),
        }
    print(json.dumps(result))


def module(python, cidrs):
    """The whole module as a host runs it: start of Python, arguments, plan, file, result. Twice: new file, no change."""
    import ansible
    import ansible_collections.netviz.sflow

    packages = os.path.dirname(os.path.dirname(ansible.__file__))
    collections = os.path.abspath(ansible_collections.netviz.sflow.__path__[0]).rsplit(os.sep, 3)[0]
    program = (
        "import sys; from ansible.module_utils import basic; basic._ANSIBLE_ARGS = sys.stdin.buffer.read(); "
        "basic._ANSIBLE_PROFILE = 'legacy'; "
        "from ansible_collections.netviz.sflow.plugins.modules import vizceral_groups; vizceral_groups.main()"
    )
    seconds = []
    with tempfile.TemporaryDirectory() as directory:
        # Only these two, as the other packages here are for another Python.
        os.symlink(os.path.join(packages, "ansible"), os.path.join(directory, "ansible"))
        os.symlink(os.path.join(collections, "ansible_collections"), os.path.join(directory, "ansible_collections"))
        arguments = {"path": os.path.join(directory, "groups.json"), "groups": data(cidrs)}
        given = json.dumps({"ANSIBLE_MODULE_ARGS": dict(arguments, _ansible_remote_tmp=directory)})
        environment = dict(os.environ, PYTHONPATH=directory, PYTHONDONTWRITEBYTECODE="1")
        for changed in (True, False):
            begun = os.times()
            run = subprocess.run(
                [python, "-c", program], input=given.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env=environment, check=False,
            )  # fmt: skip
            ended = os.times()
            if run.returncode and python != sys.executable:
                print(f"skipped the whole module on {python}: {run.stderr.decode().strip().splitlines()[-1]}")
                return []
            run.check_returncode()
            if json.loads(run.stdout.decode())["changed"] is not changed:
                sys.exit(f"the module did not report changed={str(changed).lower()}")
            seconds.append(
                ended.children_user - begun.children_user + ended.children_system - begun.children_system
            )  # fmt: skip
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cidrs", type=int, default=100000)
    parser.add_argument("--max-seconds", type=float, default=2.0)
    parser.add_argument("--pure", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("python", nargs="*")
    options = parser.parse_args()
    if options.pure:
        pure(options.cidrs)
        return

    pythons = options.python
    if not pythons:
        pythons = [sys.executable]
        found = subprocess.run(
            [os.path.join(ROOT, "tests", "images", "python36.sh")], stdout=subprocess.PIPE, check=False
        )
        if found.returncode == 0:
            pythons.append(os.path.join(found.stdout.decode().strip(), "bin", "python3.6"))
        else:
            print("skipped Python 3.6: this machine has none")
    failed = False
    print(f"{options.cidrs} CIDRs; bar {options.max_seconds:g} s of the processor")
    for python in pythons:
        command = [python, os.path.abspath(__file__), "--pure", "--cidrs", str(options.cidrs)]
        result = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode())
        rows = [("plan", result["plan"]), ("collapse", result["collapse"])]
        rows += list(zip(("module, new file", "module, no change"), module(python, options.cidrs)))
        print("Python {}: json.dump {:.3f} s".format(result["python"], result["dump"]))
        for what, seconds in rows:
            over = seconds > options.max_seconds
            failed |= over
            note = "   TOO SLOW" if over else ""
            print(f"  {what:18} {seconds:6.3f} s   {seconds / result['dump']:5.1f} x json.dump{note}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
