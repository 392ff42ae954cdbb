"""Writes the tables of variables: into the README of each role, and all of them into docs/variables.md.

The sources are meta/argument_specs.yml and defaults/main.yml of the roles, and the tables of docs/rollout.md and docs/bundle.md for the
variables of the playbooks.

Usage: role_variables.py [--check]     --check changes nothing and fails when a table is not up to date.
Also fails when the two files of a role differ in names, order or values, and when a variable that a playbook reads is in no table.
"""

import argparse
import pathlib
import re
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- variables: begin -->", "<!-- variables: end -->"
ROLES = {
    "hsflowd": "the agent, hosts of `sflow_agents`",
    "collector": "the collector, hosts of `sflow_collector`",
    "sflow_rt": "the viewer, hosts of `sflow_rt`",
}
# Where the variables of the playbooks are explained.
PAGES = {"rollout.md": "Rollout and proof", "bundle.md": "Bundle"}
PLAYBOOK_VARIABLE = re.compile(r"(?<!\w)(?<!netviz\.sflow\.)sflow_(?:rollout|proof|report|bundle)_\w+")
HEAD = """# Variables

Written by `make variables`; do not edit. Each role's README says more about what belongs together.

Every variable may be set in the inventory or with `-e`. Where the login is not root `ansible_become: true` has to be, and with a viewer
`sflow_rt_accept_license: true`. Nothing else has to: the defaults deploy upstream's release to every host of `sflow_agents`, send to the
hosts of `sflow_collector` and `sflow_rt`, and prove there.

## About a host

No role has these; they say how others reach or show a host.

| Variable | Default | Meaning |
|---|---|---|
| `collector_address` | `ansible_host`, else the name | Where agents reach this host of `sflow_collector`. |
| `sflow_rt_address` | `ansible_host`, else the name | Where agents reach this host of `sflow_rt`. |
| `sflow_rt_member_address` | `ansible_host`, else the name | The address of this host in a circle made from its inventory group. |
| `sflow_rt_member_addresses` | none | The same, where the host has several: a list. |
"""


def templated(value: object) -> bool:
    return isinstance(value, str) and "{{" in value


def differences(spec: dict, defaults: dict) -> list[str]:
    """What defaults/main.yml and meta/argument_specs.yml do not agree on."""
    found = [f"{name} is only in defaults/main.yml" for name in defaults if name not in spec]
    found += [
        f"{name} is only in meta/argument_specs.yml"
        for name in spec
        if name not in defaults and "default" in spec[name]
    ]
    shared = [name for name in spec if name in defaults]
    if shared != [name for name in defaults if name in spec]:
        found.append("the order differs")
    for name in shared:
        if templated(defaults[name]) and "default" not in spec[name]:
            continue  # the specification has no facts of the host; its description says what the default is
        if spec[name].get("default") != defaults[name]:
            found.append(
                f"{name} is {defaults[name]!r} in defaults/main.yml and {spec[name].get('default')!r} in meta/argument_specs.yml"
            )
    return found


def table(spec: dict) -> str:
    """The table in Markdown."""
    lines = ["| Variable | Default | Meaning |", "|---|---|---|"]
    for name, option in spec.items():
        default = option.get("default", "")
        shown = yaml.safe_dump(default, default_flow_style=True, width=10**6).removesuffix("\n").removesuffix("\n...")
        description = (
            option["description"] if isinstance(option["description"], str) else " ".join(option["description"])
        )
        if option.get("choices"):
            description += " One of " + ", ".join(str(c) for c in option["choices"]) + "."
        description = re.sub(r"\bO\([\w.]+#role:\w+:(\w+)\)", r"`\1`", description)
        description = re.sub(r"\b[A-Z]\(([^()]*)\)", r"`\1`", description)  # the markup of Ansible's documentation
        cell = "" if "default" not in option else f"`{shown}`".replace("|", "\\|")
        lines.append(f"| `{name}` | {cell} | {' '.join(description.split()).replace('|', chr(92) + '|')} |")
    return "\n".join(lines)


def page_table(text: str) -> str:
    """The first table of a page that has the column Variable."""
    match = re.search(r"^\| Variable \|.*\n(?:\|.*\n)+", text, re.M)
    return match.group(0).strip() if match else ""


def unexplained(playbooks: str, tables: str) -> list[str]:
    """Variables that the playbooks read and no table has, and the other way round."""
    used = set(PLAYBOOK_VARIABLE.findall(playbooks))
    shown = {name for row in tables.splitlines() for name in PLAYBOOK_VARIABLE.findall(row.split("|")[1])}
    return [f"{name} is read by a playbook and is in no table" for name in sorted(used - shown)] + [
        f"{name} is in a table and no playbook reads it" for name in sorted(shown - used)
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    faults: list[str] = []
    pages: dict[pathlib.Path, str] = {}
    whole = [HEAD]
    for role, what in ROLES.items():
        place = ROOT / "roles" / role
        spec = yaml.safe_load((place / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
        defaults = yaml.safe_load((place / "defaults/main.yml").read_text()) or {}
        faults += [f"{role}: {line}" for line in differences(spec, defaults)]
        text = (place / "README.md").read_text()
        head, rest = text.split(BEGIN, 1)
        pages[place / "README.md"] = f"{head}{BEGIN}\n{table(spec)}\n{END}{rest.split(END, 1)[1]}"
        whole.append(f"## Role {role}\n\nFor {what}: [README](../roles/{role}/README.md).\n\n{table(spec)}\n")
    tables = ""
    for page, title in PAGES.items():
        found = page_table((ROOT / "docs" / page).read_text())
        tables += found + "\n"
        whole.append(f"## {title}\n\nFor the playbooks: [{page}]({page}).\n\n{found}\n")
    pages[ROOT / "docs/variables.md"] = "\n".join(whole)
    readers = [*sorted((ROOT / "playbooks").rglob("*.yml")), ROOT / "plugins/filter/sflow_rollout.py", ROOT / "plugins/plugin_utils/_bundle.py"]
    playbooks = "\n".join(path.read_text() for path in readers)
    faults += unexplained(playbooks, tables)
    for path, text in pages.items():
        if path.exists() and path.read_text() == text:
            continue
        if options.check:
            faults.append(f"{path.relative_to(ROOT)} is not up to date; run make variables")
        else:
            path.write_text(text)
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
