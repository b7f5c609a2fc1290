#!/usr/bin/env bash
# Runs a command beside a real PostgreSQL and an S3-compatible server, both thrown away afterwards.
#
#   bench/services/with_services.sh cargo test --package store
#
# The command finds in its environment
#
#   HEIRLOOM_TEST_POSTGRES   postgres://USER:PASSWORD@127.0.0.1:PORT/DATABASE
#   HEIRLOOM_TEST_S3         s3://BUCKET/PREFIX, with AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID,
#                            AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ALLOW_HTTP to reach it
#
# Both servers listen on the loopback address, on free ports, and keep their data in a temporary folder. PostgreSQL is
# Debian's, installed by apt-get where it is missing; the S3 server is moto, from PyPI, in target/services-venv. Where
# one of them cannot be had, that is said in a line `skipped: ...` and its variables are unset.
#
# Exit status: that of the command; 2 for wrong usage.
set -euo pipefail
cd "$(dirname "$0")/../.."

STARTING_SECONDS_MAX=30
venv="$PWD/target/services-venv"
servers=()

if (($# == 0)); then
  echo "usage: $0 COMMAND..." >&2
  exit 2
fi
unset HEIRLOOM_TEST_POSTGRES HEIRLOOM_TEST_S3

folder="$(mktemp -d)"
chmod 711 "$folder"
stop() {
  for server in "${servers[@]}"; do kill -INT "$server" 2> /dev/null || true; done  # PostgreSQL: fast shutdown
  for server in "${servers[@]}"; do wait "$server" 2> /dev/null || true; done
  rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

skipped() { printf 'skipped: %s: %s\n' "$1" "$2" >&2; }
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# until_ready SERVER TEST...: whether TEST succeeds while the process SERVER lives, and before long.
until_ready() {
  local server=$1 deadline=$((SECONDS + STARTING_SECONDS_MAX))
  shift
  while ! "$@" > /dev/null 2>&1; do
    kill -0 "$server" 2> /dev/null && ((SECONDS < deadline)) || return 1
    sleep 0.05
  done
}

# background LOG COMMAND...: a server that also ends when this script is killed, as user $owner if that is set.
background() {
  local log=$1 as=()
  shift
  if [[ -n "${owner:-}" ]]; then as=(--reuid "$owner" --regid "$(id -g "$owner")" --clear-groups); fi
  env --default-signal=INT setpriv "${as[@]}" --pdeathsig INT -- "$@" > "$log" 2>&1 &
  servers+=($!)
}

# ---- PostgreSQL

postgres_programs() {
  local programs
  programs="$(find /usr/lib/postgresql -path '*/bin/initdb' 2> /dev/null | sort -V | tail -n 1)"
  [[ -n "$programs" ]] || programs="$(command -v initdb || true)"
  [[ -n "$programs" ]] && dirname "$programs"
}

install_postgres() {
  ((EUID == 0)) && command -v apt-get > /dev/null || return 1
  # At this run level the package does not start a server of its own.
  export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
  { apt-get update && apt-get install --yes --no-install-recommends postgresql; } > "$folder/apt.log" 2>&1
}

start_postgres() {
  local programs password port owner=
  programs="$(postgres_programs)" || { install_postgres && programs="$(postgres_programs)"; } || {
    skipped PostgreSQL "it is not installed, and apt-get cannot install it: $(last_line "$folder/apt.log")"
    return
  }
  # PostgreSQL refuses to serve as root.
  if ((EUID == 0)); then owner="$(id -un postgres 2> /dev/null || echo nobody)"; fi
  password="$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')"
  mkdir "$folder/postgres"
  echo "$password" > "$folder/postgres/password"
  [[ -z "$owner" ]] || chown -R "$owner" "$folder/postgres"
  if ! as_owner "$programs/initdb" --pgdata "$folder/postgres/data" --username heirloom --encoding UTF8 --locale C \
    --auth scram-sha-256 --pwfile "$folder/postgres/password" > "$folder/initdb.log" 2>&1; then
    skipped PostgreSQL "initdb: $(last_line "$folder/initdb.log")"
    return
  fi
  port="$(free_port)"
  background "$folder/postgres.log" "$programs/postgres" -D "$folder/postgres/data" -p "$port" \
    -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=on
  if ! until_ready "${servers[-1]}" answers "$port" || ! kill -0 "${servers[-1]}" 2> /dev/null; then
    skipped PostgreSQL "it does not start: $(last_line "$folder/postgres.log")"
    return
  fi
  export HEIRLOOM_TEST_POSTGRES="postgres://heirloom:$password@127.0.0.1:$port/postgres"
}

as_owner() { if [[ -n "$owner" ]]; then runuser -u "$owner" -- "$@"; else "$@"; fi; }
last_line() { tail -n 1 "$1" 2> /dev/null || true; }

# PostgreSQL opens its port before it takes queries: once it does, it answers a hello with a question (`R`).
answers() {
  python3 - "$1" << 'PYTHON'
import socket, struct, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=1) as connection:
    user = b"user\0heirloom\0\0"
    connection.sendall(struct.pack("!ii", 8 + len(user), 196608) + user)
    sys.exit(connection.recv(1) != b"R")
PYTHON
}

# ---- S3

install_s3() {
  cmp --silent bench/services/requirements.txt "$venv/installed.txt" && return
  [[ -x "$venv/bin/python" ]] || python3 -m venv "$venv" || return
  "$venv/bin/python" -m pip install --quiet --requirement bench/services/requirements.txt || return
  cp bench/services/requirements.txt "$venv/installed.txt"
}

start_s3() {
  local port
  if ! install_s3 > "$folder/pip.log" 2>&1; then
    skipped S3 "moto cannot be installed: $(last_line "$folder/pip.log")"
    return
  fi
  port="$(free_port)"
  background "$folder/s3.log" "$venv/bin/moto_server" --host 127.0.0.1 --port "$port"
  if ! until_ready "${servers[-1]}" make_bucket "$port"; then
    skipped S3 "moto does not start: $(last_line "$folder/s3.log")"
    return
  fi
  export HEIRLOOM_TEST_S3=s3://heirloom/tests AWS_ENDPOINT_URL="http://127.0.0.1:$port" AWS_ALLOW_HTTP=true
  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION=us-east-1
}

make_bucket() {
  python3 -c 'import sys, urllib.request as r; r.urlopen(r.Request(sys.argv[1], method="PUT"))' \
    "http://127.0.0.1:$1/heirloom"
}

start_postgres
start_s3
"$@"
