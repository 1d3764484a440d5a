#!/usr/bin/env bash
# Makes the virtual environment with the tested versions of everything, and the compiled kernel
# where there is a compiler. Usage: install_python.sh PYTHON VENV
set -euo pipefail
# shellcheck source=scripts/apt.sh
source "$(dirname "$0")/apt.sh"
python=$1 venv=$2

can_compile() {
    command -v cc >/dev/null && "$python" - <<'END'
import pathlib, sys, sysconfig
sys.exit(not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists())
END
}

can_make_environments() {
    "$python" -c 'import ensurepip, venv' 2>/dev/null
}

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "$python is missing or older than 3.11" >&2
    echo "  fix: make PYTHON=/path/to/python3.11 ..." >&2
    exit 2
fi
echo "Preparing $venv ..." >&2
# Only the distribution's own Python can be completed with the distribution's packages.
if ! { can_compile && can_make_environments; } && can_apt; then
    wanted=(gcc libc6-dev)
    if [ "$("$python" -c 'import sys; print(sys.base_prefix)')" = /usr ]; then
        wanted+=(python3-venv python3-dev)
    fi
    apt update
    apt install --no-install-recommends "${wanted[@]}"
fi
if ! can_make_environments; then
    echo "$python cannot make a virtual environment" >&2
    echo "  fix: sudo apt-get install python3-venv" >&2
    exit 2
fi
if ! can_compile; then
    echo "no C compiler, or no Python headers: the slower kernel in Python will be used" >&2
fi
"$python" -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check \
    --constraint constraints.txt --editable '.[dev,transform]'
# pip compiles what it copies; without this the first commands would take half a second longer.
"$venv/bin/python" -m compileall -q etl_pipeline
# mypy and dbt want versions of one library that exclude each other, so what checks lives apart.
"$python" -m venv "$venv-lint"
"$venv-lint/bin/pip" install --quiet --disable-pip-version-check \
    --constraint constraints-lint.txt mypy import-linter
