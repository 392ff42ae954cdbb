"""Writes the table of variables into the README of a role, from meta/argument_specs.yml and defaults/main.yml.

Usage: role_variables.py [--check] [ROLE ...]     --check changes nothing and fails when a table is not up to date.
Also fails when the two files of a role differ in names, order or values.
"""

import argparse
import pathlib
import re
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- variables: begin -->", "<!-- variables: end -->"


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
        description = re.sub(r"\b[A-Z]\(([^()]*)\)", r"`\1`", description)  # the markup of Ansible's documentation
        cell = "" if "default" not in option else f"`{shown}`".replace("|", "\\|")
        lines.append(f"| `{name}` | {cell} | {' '.join(description.split()).replace('|', chr(92) + '|')} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("roles", nargs="*")
    options = parser.parse_args()
    bad = 0
    for specs in sorted(ROOT.glob("roles/*/meta/argument_specs.yml")):
        role = specs.parent.parent
        if options.roles and role.name not in options.roles:
            continue
        spec = yaml.safe_load(specs.read_text())["argument_specs"]["main"]["options"]
        defaults = yaml.safe_load((role / "defaults/main.yml").read_text()) or {}
        for line in differences(spec, defaults):
            print(f"{role.name}: {line}")
            bad = 1
        readme = role / "README.md"
        text = readme.read_text() if readme.exists() else ""
        if BEGIN not in text:
            continue
        head, rest = text.split(BEGIN, 1)
        tail = rest.split(END, 1)[1]
        new = f"{head}{BEGIN}\n{table(spec)}\n{END}{tail}"
        if new != text:
            if options.check:
                print(f"{role.name}: the table in README.md is not up to date; run tests/role_variables.py")
                bad = 1
            else:
                readme.write_text(new)
    return bad


if __name__ == "__main__":
    sys.exit(main())
