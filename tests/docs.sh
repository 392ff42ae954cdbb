#!/usr/bin/env bash
# What users read and install: changelog, rendered module docs, README and docs, the tarball, the bundle, the execution environment.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "==> changelog"
antsibull-changelog lint
echo "==> docs of modules, filters and roles, as they are rendered"
antsibull-docs lint-collection-docs --plugin-docs --check-extra-docs-refs .
echo "==> README, docs, tarball, bundle"
python -m pytest -q -p no:cacheprovider tests/docs tests/packaging
