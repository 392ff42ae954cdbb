#!/usr/bin/env bash
# Prints the prefix of a Python 3.6 of this machine; exit status 1 when there is none.
set -uo pipefail
for candidate in python3.6 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.6.*/bin/python3.6; do
  "$candidate" -c 'import sys; print(sys.base_prefix)' 2>/dev/null && exit 0
done
exit 1
