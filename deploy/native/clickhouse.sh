# shellcheck shell=bash
# ClickHouse's engine from the chDB wheel behind a small HTTP front (clickhouse.py): no package registry carries a
# current server. Not shown by it: replication, users, compressed answers.

fetch() { wheels chdb chdb-core==26.9.0; }

create() {
  : >"$DIR/facts"
  fact URL "http://127.0.0.1:$(port http)"
}

launch() { # NODE
  spawn "$1" env PYTHONPATH="$CACHE/chdb" PYTHONDONTWRITEBYTECODE=1 \
    python3 "$here/clickhouse.py" "$DIR/node-1/data" "$(port http)"
}

answers() { # NODE
  serves "$(port http)" /ping
}
