#!/usr/bin/env bash
# Installs the server programs that the demo and the tests start privately. Silent and quick when
# they are there. Starts no service, and touches no cluster and no configuration that exists.
set -euo pipefail
shopt -s nullglob
# shellcheck source=scripts/apt.sh
source "$(dirname "$0")/apt.sh"
oldest_postgres=13

# Both look where etl_pipeline/demo/server_programs.py looks, too.
has_mariadb_program() {
    local path
    command -v "$1" >/dev/null && return
    for path in {/usr/sbin,/usr/bin,/usr/libexec,/usr/local/sbin,/usr/local/bin}/"$1" \
        /usr/local/mariadb*/bin/"$1" {/opt/homebrew,/usr/local}/opt/mariadb*/bin/"$1" \
        /opt/homebrew/bin/"$1"; do
        [ -x "$path" ] && return
    done
    return 1
}

has_postgres() {
    local initdb on_path postgres version
    on_path=$(command -v initdb || true)
    for initdb in ${on_path:+"$(readlink -f "$on_path")"} /usr/lib/postgresql/*/bin/initdb \
        /usr/pgsql-*/bin/initdb {/opt/homebrew,/usr/local}/opt/postgresql@*/bin/initdb \
        {/opt/homebrew,/usr/local,/usr/local/pgsql,/usr}/bin/initdb; do
        postgres=$(dirname "$initdb")/postgres
        if [ ! -x "$initdb" ] || [ ! -x "$postgres" ]; then continue; fi
        version=$("$postgres" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
        [ "${version:-0}" -ge "$oldest_postgres" ] && return
    done
    return 1
}

has_servers() {
    has_mariadb_program mariadbd && has_mariadb_program mariadb-install-db && has_postgres
}

has_servers && exit 0

if ! command -v apt-get >/dev/null; then
    cat >&2 <<'END'
MariaDB's and PostgreSQL's server programs are not installed
  fix: brew install mariadb postgresql@17     macOS; nothing needs to be started
       docker compose up --detach             elsewhere: see compose.yaml
END
    exit 2
fi

if ! can_apt; then
    cat >&2 <<'END'
MariaDB's and PostgreSQL's server programs are not installed, and sudo is not there to do it
  fix: as root: apt-get install mariadb-server-core mariadb-client-core postgresql
END
    exit 2
fi

echo "Installing MariaDB and PostgreSQL (programs only, no service) ..." >&2
apt update
wanted=()
if ! has_mariadb_program mariadbd || ! has_mariadb_program mariadb-install-db; then
    # The -core packages are the programs without the service.
    wanted+=(mariadb-server-core mariadb-client-core)
fi
if ! has_postgres; then
    # Debian's package makes and starts a cluster unless it has been told not to; a machine that
    # has clusters keeps its own answer.
    clusters=(/etc/postgresql/*/*)
    apt install --no-install-recommends postgresql-common
    if [ ${#clusters[@]} -eq 0 ]; then
        as_root sed -i 's/^#\?create_main_cluster *=.*/create_main_cluster = false/' \
            /etc/postgresql-common/createcluster.conf
    fi
    wanted+=(postgresql)
fi
apt install --no-install-recommends "${wanted[@]}"
if ! has_servers; then
    echo "apt-get installed ${wanted[*]}, and server programs are still missing" >&2
    echo "  fix: docker compose up --detach (see compose.yaml)" >&2
    exit 2
fi
