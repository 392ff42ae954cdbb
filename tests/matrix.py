# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The compatibility matrix: the oldest and the newest ansible-core, and the Pythons of managed hosts.

Usage: python tests/matrix.py [WORD ...]     WORD: only the rows whose name has it, such as `managed` or `3.13`
The oldest ansible-core is the one that meta/runtime.yml promises. Both run on what requirements.txt locks for a Python
of this machine. A Python that is not here is skipped, and the table says so.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache/matrix"
CONTROL = ["3.10", "3.11", "3.12", "3.13", "3.14"]
MANAGED = ["3.6", "3.8", "3.11", "3.13"]  # Ubuntu 18.04 and 20.04, Debian 12 and 13
rows: list[tuple[str, str, str]] = []


def interpreter(version: str) -> str | None:
    """A Python of this version, on PATH or among those of pyenv."""
    kept = glob.glob(os.path.join(os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv")), f"versions/{version}.*/bin/python"))
    for path in [shutil.which(f"python{version}"), *kept]:
        if path and subprocess.run([path, "--version"], capture_output=True, check=False).returncode == 0:
            return path
    return None


def wanted(name: str) -> bool:
    """Whether the row is one of those asked for."""
    return not sys.argv[1:] or any(word in name for word in sys.argv[1:])


def step(name: str, *command: str, **environment: str) -> bool:
    """Runs one command of the matrix; what it said is in .cache/matrix."""
    if not wanted(name):
        return True
    log, begun = CACHE / (re.sub(r"[^a-z0-9.]+", "-", name.lower()) + ".log"), time.monotonic()
    print(f"==> {name}", flush=True)
    with open(log, "w") as output:
        status = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, stdout=output, stderr=subprocess.STDOUT, check=False)
    said = log.read_text(errors="replace")
    outcome = "passed" if status.returncode == 0 else "FAILED"
    if "DEPRECATION WARNING" in said:
        outcome = "FAILED: deprecation warning"
    if outcome != "passed":
        print(said[-4000:])
    rows.append((name, outcome, f"{time.monotonic() - begun:.0f} s"))
    return outcome == "passed"


def core(python: str) -> str:
    """The ansible-core that requirements.txt locks for this Python."""
    locked = re.findall(r"^ansible-core==(\S+)(?: ; python_full_version (<|>=) '3\.(\d+)')?", (ROOT / "requirements.txt").read_text(), re.M)
    minor = int(python.split(".")[1])
    return next(v for v, sign, bound in locked if not sign or (minor < int(bound)) == (sign == "<"))


def control(version: str, path: str) -> None:
    release, venv = core(version), CACHE / f"venv-{version}"
    name = f"control ansible-core {release} Python {version}"
    if not step(f"{name}: venv", "tests/demo/venv.sh", path, str(venv)):
        return
    environment = {
        "PATH": f"{venv}/bin:{os.environ['PATH']}",
        "ANSIBLE_DEPRECATION_WARNINGS": "True", "ANSIBLE_INJECT_FACT_VARS": "False", "ANSIBLE_NOCOLOR": "1",
    }  # fmt: skip
    step(f"{name}: ansible-test sanity", "tests/ansible_test.sh", "sanity", **environment)
    step(f"{name}: ansible-test units", "tests/ansible_test.sh", "units", **environment)
    playbooks = sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("playbooks/*.yml"))
    step(f"{name}: syntax", "ansible-playbook", "--syntax-check", "-i", "inventory.example/hosts.yml", *playbooks, **environment)
    step(f"{name}: site.yml on 3 hosts", "python", "tests/bench/bench_fleet.py", "scale", "--hosts", "3", **environment)
    if release != core(CONTROL[0]):  # the scenarios of make test are those of the oldest
        row = f"{name}: rollout in containers"
        create = [CACHE / f"venv-{v}/bin" for v in CONTROL if core(v) == core(CONTROL[0]) and (CACHE / f"venv-{v}/bin/molecule").exists()]
        if create:
            step(row, "tests/molecule.sh", "rollout", MOLECULE_CREATE=str(create[0]), **environment)
        elif wanted(row):
            rows.append((row, "skipped: the molecule of the oldest ansible-core makes the containers; run its rows first", ""))


def main() -> int:
    CACHE.mkdir(parents=True, exist_ok=True)
    found = {version: interpreter(version) for version in {*CONTROL, *MANAGED}}
    here = {version: path for version, path in found.items() if path}
    promised = re.search(r">=\s*(\d+\.\d+)", (ROOT / "meta/runtime.yml").read_text())[1]
    oldest = [v for v in CONTROL if v in here and core(v).startswith(promised + ".")]
    newest = [v for v in CONTROL if v in here and not core(v).startswith(promised + ".")]
    if oldest:
        control(oldest[0], here[oldest[0]])
    else:
        rows.append((f"control ansible-core {promised}", "skipped: no Python here that requirements.txt locks it for", ""))
    if newest:
        control(newest[-1], here[newest[-1]])
    else:
        rows.append(("control newest ansible-core", "skipped: no Python here that requirements.txt locks it for", ""))
    for version in MANAGED:
        if version in here:
            step(f"managed Python {version}: unit tests", "tests/unit.sh", here[version])
        else:
            rows.append((f"managed Python {version}", "skipped: neither on PATH nor in pyenv", ""))
    if not rows:
        print(f"no row has one of these words: {' '.join(sys.argv[1:])}", file=sys.stderr)
        return 2
    width = max(len(row[0]) for row in rows)
    print("\n" + "\n".join(f"{name:{width}}  {outcome:8}  {seconds}" for name, outcome, seconds in rows))
    return any(outcome.startswith("FAILED") for _name, outcome, _seconds in rows)


if __name__ == "__main__":
    sys.exit(main())
