#!/usr/bin/env bash
# Makes the virtual environment with the tested versions of everything. Usage: install_python.sh PYTHON VENV
set -euo pipefail
python=$1 venv=$2
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "$python is missing or older than 3.11" >&2
    echo "  fix: make PYTHON=/path/to/python3.11 ..." >&2
    exit 2
fi
echo "Preparing $venv ..."
if ! "$python" -m venv "$venv"; then
    echo "$python cannot make a virtual environment" >&2
    echo "  fix: sudo apt-get install python3-venv" >&2
    exit 2
fi
"$venv/bin/pip" install --quiet --disable-pip-version-check \
    --constraint constraints.txt --editable '.[dev]'
