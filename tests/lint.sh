#!/usr/bin/env bash
# Every linter over the whole repository; each may stop the run.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "==> ruff"
ruff check .
echo "==> yamllint"
yamllint --strict .
echo "==> mypy (strict for control-node code)"
mkdir -p .cache/mypy/ansible_collections/netviz
ln -sfn ../../../.. .cache/mypy/ansible_collections/netviz/sflow
mypy
echo "==> ansible-lint, profile production"
ansible-lint --offline --strict
echo "==> tables of variables, changelog"
python tests/role_variables.py --check
antsibull-changelog lint
