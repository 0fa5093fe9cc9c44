#!/usr/bin/env bash
# Brings docker-compose.kafka.yml up where no Docker engine runs, its profile external, as root:
#   deploy/ci/compose-up.sh [FOLDER]
# FOLDER holds built binaries (as for images.sh); they stand in for the Dockerfile's build stage. The engines run
# natively (deploy/native), empty; podman-compose builds the images and starts topics, migrations and the five
# services on the host's network. The bundled scenario is read; an incident, a window and a feature must come out
# of REST; then all is stopped by SIGTERM. Nothing stays. Packages it needs: buildah podman runc; where they are
# missing it says so and ends with 0.
set -euo pipefail
cd "$(dirname "$0")/../.."

# shellcheck source=containers.sh
. deploy/ci/containers.sh
JOBS="topics migrate"

if [ -n "$(missing)" ]; then
  echo "$me: nothing is shown, because $(missing)"
  exit 0
fi
find_binaries "${1:-}"
began=${WEIR_COMPOSE_BEGAN:-$(date +%s)}
say() { printf '%4d s  %s\n' $(($(date +%s) - began)) "$*"; }

# Engines of its own, empty, that live as long as this script.
if [ -z "${WEIR_COMPOSE_BEGAN:-}" ]; then
  export WEIR_COMPOSE_BEGAN=$began WEIR_ENGINES_DIR=${WEIR_ENGINES_DIR:-target/compose-engines}
  deploy/native/engines clean
  trap 'deploy/native/engines clean' EXIT
  deploy/native/engines exec kafka registry postgres redis cql s3 -- "$0" "$binaries"
  exit
fi
say "the engines answer"

venv=target/ci/podman-compose
if [ ! -x "$venv/bin/podman-compose" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check 'podman-compose==1.6.*'
fi

work=$(mktemp -d)
compose() { # as a person types it; nothing of this shell's settings but where the storage is
  env -i PATH="$PATH" HOME="$work" TMPDIR="$work" STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot \
    CONTAINERS_STORAGE_CONF="$CONTAINERS_STORAGE_CONF" CONTAINERS_CONF="$CONTAINERS_CONF" \
    "$venv/bin/podman-compose" --in-pod=false --env-file "$work/env" \
    --podman-build-args="--format docker --pull-never --build-context build=$work/stage" \
    -f docker-compose.kafka.yml -f deploy/ci/compose-up.yml "$@" 2>>"$work/compose.log"
}
container() { echo "weir_$1_1"; }
state() { podman inspect --format "{{.State.$2}}" "$(container "$1")" 2>/dev/null; }

give_up() { # WHAT [SERVICE]: with the last words of compose, or of the service
  tail -n 25 "$work/compose.log" >&2
  [ -z "${2:-}" ] || podman logs --tail 25 "$(container "$2")" >&2 || true
  fail "$1"
}
finish() {
  podman rm -a -f -t 0 >/dev/null 2>&1 || true
  # What a container leaves that podman was just starting when this script gave up.
  grep -o " ${work}[^ ]*" /proc/mounts | xargs -r umount || true
  rm -rf "$work"
}
trap finish EXIT

free_ports() { # N: so many, free just now
  python3 -c 'import socket, sys
taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(one.getsockname()[1] for one in taken))' "$1"
}

# -- the settings: .env as a person makes it, then the engines; the later line holds
deploy/images/env.sh "$work/env" >/dev/null
value() { sed -n "s/^$1=//p" "$work/env" | tail -n 1; }
names=(INGEST DETECTOR MATERIALIZER AGGREGATOR SERVING REST GRPC)
read -r -a ports <<<"$(free_ports ${#names[@]})"
rest=http://127.0.0.1:${ports[5]}
login=${WEIR_ENGINE_POSTGRES#*//} login=${login%%@*}
{
  echo "COMPOSE_PROFILES=external"
  for n in "${!names[@]}"; do echo "PORT_${names[n]}=${ports[n]}"; done
  echo "KAFKA_BOOTSTRAP_SERVERS=$WEIR_ENGINE_KAFKA"
  echo "WEIR__SCHEMA_REGISTRY__URL=$WEIR_ENGINE_REGISTRY"
  echo "WEIR__RECORD_STORE__URL=postgres://${login%%:*}@${WEIR_ENGINE_POSTGRES#*@}?sslmode=disable"
  echo "POSTGRES_PASSWORD=${login#*:}"
  echo "REDIS_URL=$WEIR_ENGINE_REDIS"
  echo "WEIR__METRIC_STORE__URL=$WEIR_ENGINE_CQL/weir"
  echo "AWS_ENDPOINT_URL=$WEIR_ENGINE_S3"
  echo "AWS_ACCESS_KEY_ID=$WEIR_ENGINE_S3_ACCESS_KEY_ID"
  echo "AWS_SECRET_ACCESS_KEY=$WEIR_ENGINE_S3_SECRET_ACCESS_KEY"
  # The hijack begins after six seconds; reading goes on for seven minutes.
  echo "WEIR__INGEST__SOURCE__TYPE=scenario"
  echo "WEIR__INGEST__SOURCE__SPEED=20x"
} >>"$work/env"

protect_redis() { # the password of the settings, which compose cannot do without
  local address=${WEIR_ENGINE_REDIS#redis://} answer
  address=${address%%/*}
  exec 3<>"/dev/tcp/${address%:*}/${address#*:}"
  printf 'CONFIG SET requirepass %s\r\n' "$(value REDIS_PASSWORD)" >&3
  read -r -t 10 answer <&3
  exec 3>&-
  [[ $answer == +OK* ]] || fail "Redis takes no password: $answer"
}
protect_redis

# -- images, jobs, services
own_storage "$work"
compose --parallel 1 build >/dev/null || give_up "the images are not built"
say "the images are built"

# In two steps: podman-compose waits for a job that others depend on, but runs it again with each of them.
# shellcheck disable=SC2086
compose up -d --no-build $JOBS >/dev/null || give_up "compose up fails"
for job in $JOBS; do
  code=$(timeout 120 podman wait "$(container "$job")" 2>/dev/null) || give_up "$job does not end" "$job"
  [ "$code" = 0 ] || give_up "$job ended with $code" "$job"
done
say "topics and tables are made"
# shellcheck disable=SC2086
compose up -d --no-build --no-deps ${SERVICES//weir-/} >/dev/null || give_up "compose up fails"

limits() { # SERVICE
  podman inspect --format '{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.SecurityOpt}} {{.HostConfig.PidsLimit}} {{.HostConfig.Memory}}' \
    "$(container "$1")" 2>/dev/null
  podman top "$(container "$1")" capeff 2>/dev/null | tail -n 1
}
held() { [[ $(limits "$1" | xargs) =~ ^'true [no-new-privileges] 256 '[1-9][0-9]*' none'$ ]]; }

wait_for() { # SECONDS WHAT SERVICE CMD..: until CMD succeeds
  local end=$((SECONDS + $1)) what=$2 service=$3
  shift 3
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || give_up "$what did not come" "$service"
    sleep 0.3
  done
  say "$what"
}
for service in $SERVICES; do
  name=${service#weir-}
  wait_for 120 "$name is ready" "$name" podman exec "$(container "$name")" "/$service" health
  held "$name" || fail "$name is not held as the compose file says: $(limits "$name")"
done
say "their roots are read-only, they hold no capabilities, memory and processes are bounded"

# -- what a user sees
(umask 077 && echo "Authorization: Bearer $(value WEIR__SERVING_API__AUTH__TOKEN)" >"$work/token")
get() { curl -fsS --max-time 15 -H "@$work/token" "$rest$1" "${@:2}"; }
shows() { grep -q "$1" <<<"$(get "${@:2}")"; } # PATTERN PATH..

code=$(curl -s -o /dev/null -w '%{http_code}' "$rest/api/v1/incidents")
[ "$code" = 401 ] || fail "REST answers $code without a token"
wait_for 120 "the hijack is an incident (PostgreSQL)" conflict-detector \
  shows '"208.65.153.0/24"' '/api/v1/incidents?type=sub-prefix'
wait_for 120 "messages are counted (CQL)" metrics-aggregator \
  shows '"key"' '/api/v1/windows?aggregate=peer-messages&limit=1'
peer=$(get '/api/v1/windows?aggregate=peer-messages&limit=1' | sed 's/.*"key":"\([^"]*\)".*/\1/')
wait_for 120 "a session has features (Redis)" feature-materializer shows '"PRESENT"' /api/v1/features/serve \
  --json "{\"entity_ids\": [\"$peer\"], \"feature_names\": [\"prefix_count\"]}"

compose run --rm -T --no-deps topics topics list </dev/null >"$work/topics" || give_up "topics list fails"
grep -q bgp-updates "$work/topics" || fail "topics list does not name bgp-updates"
say "weir topics list answers, as the header of the compose file has it"

# -- the end: whoever is not done when stop_grace_period is over is killed, and ends with 137
compose stop >/dev/null || give_up "compose stop fails"
slowest=0
for service in $SERVICES; do
  name=${service#weir-}
  [ "$(state "$name" ExitCode)" = 0 ] || give_up "$name ended with $(state "$name" ExitCode)" "$name"
  took=$(podman logs "$(container "$name")" 2>&1 | sed -n 's/.*"drained".*"duration_ms":"\([0-9]*\)".*/\1/p')
  [ -n "$took" ] || give_up "$name did not drain" "$name"
  [ "$took" -le "$slowest" ] || slowest=$took
done
say "SIGTERM ended all five with 0; the slowest drained in $slowest ms"

compose down --volumes >/dev/null || give_up "compose down fails"
[ -z "$(podman ps -aq 2>/dev/null)$(podman volume ls -q 2>/dev/null)" ] || fail "compose down leaves containers or volumes"
finish
trap - EXIT
! grep -q "$work" /proc/mounts || fail "a mount is left below $work"
! pgrep -f "$work" >/dev/null || fail "a process is left: $(pgrep -af "$work")"
say "nothing is left"

echo "not run here: the engines' images, and waiting for their health (depends_on); bridge networks and published ports;"
echo "  health checks by an engine's clock; the Dockerfile's build stage (it pulls rust and compiles)."
