#!/usr/bin/env bash
# Runs a command with a private server of Oracle's MySQL, whose address it appends:
#
#     with_mysql.sh [MYSQLD-OPTION ...] -- COMMAND [ARGUMENT ...]
#     → COMMAND [ARGUMENT ...] --mysql-url=mysql://tests:PASSWORD@127.0.0.1:PORT
#
# No stable release of Debian has MySQL, so its programs lie in a small system of Debian unstable
# that is made once, in half a minute, and used as a chroot. The server is nobody's but ours: a
# user of its own, loopback, a free port, a new password. It ends with the command, whatever way
# that takes; one whose script was killed is ended by the next.
set -euo pipefail
# shellcheck source=scripts/apt.sh
source "$(dirname "$0")/apt.sh"

folder=/var/tmp/etl_pipeline-mysql
system=$folder/system
owner=61306:61306 # a number that no account has
start_seconds=60

options=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    options+=("$1")
    shift
done
if [ $# -lt 2 ]; then
    echo "usage: $0 [MYSQLD-OPTION ...] -- COMMAND [ARGUMENT ...]" >&2
    exit 2
fi
shift

inside() { as_root chroot --userspec="$owner" --groups= "$system" "$@"; }

refuse() {
    echo "$1" >&2
    echo "  fix: $2" >&2
    exit 2
}

prepare() {
    [ -d "$system" ] && return
    echo "Preparing MySQL in $folder (once) ..." >&2
    if ! command -v debootstrap >/dev/null; then
        apt update
        apt install --no-install-recommends debootstrap
    fi
    as_root rm -rf "$system.unfinished"
    as_root debootstrap --variant=minbase --include=mysql-server-core sid "$system.unfinished" \
        >"$folder/debootstrap.log" 2>&1 ||
        refuse "debootstrap failed: $(tail -1 "$folder/debootstrap.log")" \
            "see $folder/debootstrap.log"
    as_root install -d -m 700 -o "${owner%:*}" -g "${owner#*:}" "$system.unfinished"/srv/{data,tmp}
    as_root chroot --userspec="$owner" --groups= "$system.unfinished" \
        mysqld --no-defaults --initialize-insecure --datadir=/srv/data --tmpdir=/srv/tmp \
        >>"$folder/debootstrap.log" 2>&1 ||
        refuse "MySQL could not make its data" "see $folder/debootstrap.log"
    as_root mv "$system.unfinished" "$system"
}

# The server that runs in our system, whoever started it.
find_server() {
    local pid
    for pid in $(pgrep -x -u "${owner%:*}" mysqld || true); do
        [ "$(as_root readlink "/proc/$pid/root")" = "$system" ] && echo "$pid"
    done
    return 0
}

stop() {
    local pid
    for pid in $(find_server); do
        as_root kill -TERM "$pid" || true
        while [ -d "/proc/$pid" ] && [ "$(find_server)" ]; do sleep 0.05; done
    done
}

start() {
    local deadline=$((SECONDS + start_seconds))
    password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
    # One statement a line; it runs before the first login.
    as_root install -m 600 -o "${owner%:*}" -g "${owner#*:}" /dev/stdin "$system/srv/init.sql" <<SQL
ALTER USER root@localhost IDENTIFIED BY '$password';
DROP USER IF EXISTS tests@'127.0.0.1';
CREATE USER tests@'127.0.0.1' IDENTIFIED BY '$password';
GRANT ALL PRIVILEGES ON *.* TO tests@'127.0.0.1' WITH GRANT OPTION;
SQL
    # In a session of its own, so that Ctrl-C does not reach it; without the lock.
    as_root setsid chroot --userspec="$owner" --groups= "$system" mysqld --no-defaults \
        --datadir=/srv/data --tmpdir=/srv/tmp --pid-file=/srv/data/mysqld.pid \
        --socket=/srv/data/mysqld.sock --secure-file-priv= --mysqlx=OFF \
        --bind-address=127.0.0.1 --port="$port" --skip-name-resolve --init-file=/srv/init.sql \
        --max-allowed-packet=1G "${options[@]}" \
        </dev/null >"$folder/mysqld.log" 2>&1 9>&- &
    # The port is open before the server is ready; its greeting comes afterwards.
    until [ "$(head -c 1 2>/dev/null <"/dev/tcp/127.0.0.1/$port")" ] 2>/dev/null; do
        if [ ! -d /proc/$! ] || [ $SECONDS -gt $deadline ]; then
            refuse "MySQL did not start: $(grep -m1 ERROR "$folder/mysqld.log")" \
                "see $folder/mysqld.log"
        fi
        sleep 0.05
    done
}

can_apt || refuse "MySQL runs in a chroot, which only root can enter" "run this as root, or install sudo"
mkdir -p -m 755 "$folder"
[ -O "$folder" ] || refuse "$folder belongs to somebody else" "use it as that user, or remove it"
exec 9<"$folder"
flock 9 # one server at a time; the next waits
prepare
stop
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
start
"$@" "--mysql-url=mysql://tests:$password@127.0.0.1:$port"
