#!/usr/bin/env bash
# Installs what the benchmark compares with, each program in an environment of its own.
# What cannot be installed is named, and the benchmark goes on without it.
# Usage: install_peers.sh PYTHON DIRECTORY
set -euo pipefail
# shellcheck source=scripts/apt.sh
source "$(dirname "$0")/apt.sh"
python=$1 directory=$2

environment() {
    local name=$1
    shift
    [ -f "$directory/$name/.ready" ] && return
    echo "Installing $name ..." >&2
    if "$python" -m venv "$directory/$name" &&
        "$directory/$name/bin/pip" install --quiet --disable-pip-version-check "$@"; then
        touch "$directory/$name/.ready"
    else
        echo "$name could not be installed; the benchmark goes on without it" >&2
    fi
}

mkdir -p "$directory"
environment ingestr ingestr==1.1.22
environment sling 'sling[arrow]==1.4.10'
environment duckdb duckdb==1.5.5 duckdb-extension-mysql-scanner==1.5.5 \
    duckdb-extension-postgres-scanner==1.5.5
environment dlt 'dlt[postgres]==1.31.0' connectorx==0.4.6 pymysql==1.2.4 sqlalchemy==2.1.9 \
    pyarrow==26.0.1 pandas==3.1.1
environment chart matplotlib==3.11.2

missing=()
for pair in mydumper:mydumper pgloader:pgloader mariadb-dump:mariadb-client \
    pt-table-sync:percona-toolkit; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
if [ ${#missing[@]} -gt 0 ]; then
    if can_apt; then
        echo "Installing ${missing[*]} ..." >&2
        (apt update && apt install --no-install-recommends "${missing[@]}") ||
            echo "the benchmark goes on without them" >&2
    else
        echo "not found: ${missing[*]}; the benchmark goes on without them" >&2
    fi
fi
