# shellcheck shell=bash
# Apache Kafka in KRaft mode: `kafka` (one broker), `kafka-secure` (passwords, certificates, permissions),
# `kafka-three` (three brokers; every topic on all, two must have a record).

nodes() { if [ "$NAME" = kafka-three ]; then printf '%s\n' 1 2 3; else echo 1; fi; }

fetch() {
  java 17 99 >/dev/null
  jars kafka-jars "$here/kafka.pom.xml"
}

create() {
  local node scram=() user mechanism brokers=()
  if [ "$NAME" = kafka-secure ]; then
    certificates "$DIR/tls"
    for user in alice bob admin; do
      for mechanism in SCRAM-SHA-256 SCRAM-SHA-512; do
        scram+=(--add-scram "$mechanism=[name=$user,password=$user-secret]")
      done
    done
  fi
  for node in $(nodes); do
    configuration "$node" >"$DIR/node-$node/server.properties"
    tool kafka.tools.StorageTool format --cluster-id MkU3OEVBNTcwNTJENDM2Qg "${scram[@]}" \
      --config "$DIR/node-$node/server.properties" >"$DIR/node-$node/format.log" 2>&1 ||
      { cat "$DIR/node-$node/format.log" >&2; return 1; }
    brokers+=("127.0.0.1:$(port "broker-$node")")
  done
  : >"$DIR/facts"
  fact URL "$(IFS=, && echo "${brokers[*]}")"
  [ "$NAME" = kafka-secure ] || return 0
  for listener in SASL SASL_SSL SSL EXPIRED; do fact "$listener" "localhost:$(port "$listener")"; done
  fact TLS "$DIR/tls"
  fact CA "$DIR/tls/ca.crt"
}

configuration() { # NODE: its server.properties
  local voters=() node copies=1 in_sync=1 listeners
  for node in $(nodes); do voters+=("$node@127.0.0.1:$(port "controller-$node")"); done
  [ "$NAME" != kafka-three ] || copies=3 in_sync=2
  listeners=PLAINTEXT://127.0.0.1:$(port "broker-$1")
  [ "$NAME" != kafka-secure ] ||
    listeners+=,SASL_PLAINTEXT://localhost:$(port SASL),SASL_SSL://localhost:$(port SASL_SSL),SSL://localhost:$(port SSL),EXPIRED://localhost:$(port EXPIRED)
  fill "$here/kafka.properties" "NODE=$1" "VOTERS=$(IFS=, && echo "${voters[*]}")" "LISTENERS=$listeners" \
    "CONTROLLER_PORT=$(port "controller-$1")" "FOLDER=$DIR/node-$1" "COPIES=$copies" "IN_SYNC=$in_sync"
  [ "$NAME" != kafka-secure ] || fill "$here/kafka-secure.properties" "TLS=$DIR/tls"
}

launch() { # NODE
  local heap=512m
  [ "$NAME" != kafka-three ] || heap=320m
  mkdir -p "$DIR/node-$1/tmp"
  spawn "$1" "$(java 17 99)" -Xms128m -Xmx$heap -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData \
    -Djava.io.tmpdir="$DIR/node-$1/tmp" -Dlog4j2.configurationFile="$here/log4j2.properties" \
    -cp "$CACHE/kafka-jars/*" kafka.Kafka server.properties
}

answers() { # NODE
  grep -q 'Kafka Server started' "$DIR/node-$1/log"
}

tool() { # CLASS ARGS..: one of Kafka's own commands
  "$(java 17 99)" -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData \
    -Dlog4j2.configurationFile="$here/log4j2.properties" -cp "$CACHE/kafka-jars/*" "$@"
}
