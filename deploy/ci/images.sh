#!/usr/bin/env bash
# Proves the images where no Docker engine runs, with Debian's buildah, podman and runc, as root:
#   deploy/ci/images.sh [FOLDER]
# FOLDER holds built binaries; without it target/dist, target/release or target/debug, the first that has
# them all. They stand in for the Dockerfile's build stage; everything after it is as shipped. Each image is
# built, weighed (< 60 MB), started without network, capabilities or a root that can be written, asked for
# its health by its own binary, and stopped by SIGTERM. Packages it needs: buildah podman runc.
set -euo pipefail
cd "$(dirname "$0")/../.."

# shellcheck source=containers.sh
. deploy/ci/containers.sh
MOST=60000000

[ -z "$(missing)" ] || fail "$(missing)"
find_binaries "${1:-}"
work=$(mktemp -d)

running=
finish() {
  [ -z "$running" ] || podman rm -f -t 0 "$running" >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap finish EXIT

own_storage "$work"

build() { # NAME
  # The stand-in needs no context, and stands in for the stage named build.
  mkdir -p "$work/empty"
  buildah bud -q --format docker --pull-never --build-context "build=$work/stage" --target "$1" \
    -f deploy/images/Dockerfile -t "$1" "$work/empty" >/dev/null 2>"$work/build.log" ||
    { cat "$work/build.log" >&2; fail "$1 does not build"; }
  local size user
  size=$(podman image inspect "$1" --format '{{.Size}}' 2>/dev/null)
  user=$(podman image inspect "$1" --format '{{.User}}' 2>/dev/null)
  [ "$user" = 65532:65532 ] || fail "$1 runs as '$user'"
  printf '%-26s %3d MB' "$1" $((size / 1000000))
  if [ "$size" -ge $MOST ]; then
    case $binaries in
      *debug*) printf ' (not optimised: its size is not judged)' ;;
      *) echo; fail "$1 has $size bytes; $MOST is the most" ;;
    esac
  fi
}

locked=(--network none --read-only --read-only-tmpfs=false --cap-drop ALL --security-opt no-new-privileges
  --user 65532:65532 --tmpfs /tmp --volume /data --no-healthcheck)

try() { # SERVICE: idle, healthy, then told to stop
  running=$1
  podman run -d --name "$1" "${locked[@]}" -e KAFKA_ENABLED=false "$1" >/dev/null 2>"$work/run.log" ||
    { cat "$work/run.log" >&2; fail "$1 does not start"; }
  local end=$((SECONDS + 30)) code
  until podman exec "$1" "/$1" health >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || { podman logs "$1" >&2; fail "$1 is not healthy"; }
    sleep 0.2
  done
  podman top "$1" capeff 2>/dev/null | tail -n 1 | grep -qx none || fail "$1 holds capabilities"
  podman kill --signal TERM "$1" >/dev/null 2>&1
  code=$(timeout 20 podman wait "$1" 2>/dev/null) || fail "$1 does not stop"
  [ "$code" = 0 ] || { podman logs "$1" >&2; fail "$1 ended with $code"; }
  podman rm "$1" >/dev/null 2>&1
  running=
  echo ", read-only, no capabilities, healthy, stopped by SIGTERM with 0"
}

for service in $SERVICES; do build "$service"; try "$service"; done

build weir
podman run --rm "${locked[@]}" weir topics apply --help >/dev/null 2>&1 || fail "weir does not start"
podman run --rm "${locked[@]}" weir config show >/dev/null 2>&1 || fail "weir cannot read its settings"
echo ", read-only, no capabilities, answers"

echo "not run here: the Dockerfile's build stage (it pulls rust and compiles), health checks by an engine's clock,"
echo "  the engines' images of docker-compose.kafka.yml, bridge networks and published ports."
