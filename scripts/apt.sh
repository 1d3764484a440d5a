# Sourced by the install scripts: apt-get, as root or through sudo, quiet unless it fails.
# shellcheck shell=bash

# Whether packages can be installed here.
can_apt() {
    command -v apt-get >/dev/null && { [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null; }
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

apt() {
    local log
    log=$(mktemp)
    if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get --yes "$@" >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        echo "apt-get $* failed" >&2
        echo "  fix: see its message above, then run make again" >&2
        exit 2
    fi
    rm -f "$log"
}
