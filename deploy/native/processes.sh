# shellcheck shell=bash
# Processes and ports: each node of an engine is one process with a folder of its own, stopped by its pid.

# A pid alone may be another process by now; with its start time it cannot.
started_at() { # PID: its start time; nothing if it is gone (a zombie is)
  local stat fields
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
  read -r -a fields <<<"${stat##*) }"
  [ "${fields[0]}" = Z ] || echo "${fields[19]}"
}

alive() { # FOLDER of a node
  local pid start
  read -r pid start 2>/dev/null <"$1/pid" || return 1
  [ -n "$start" ] && [ "$(started_at "$pid")" = "$start" ]
}

spawn() { # NODE CMD..: in the background, in a session of its own, its words in the node's `log`
  local folder=$DIR/node-$1
  shift
  (
    cd "$folder"
    [ ! -e log ] || mv log log.before
    setsid "$@" </dev/null >log 2>&1 9>&- &
    echo "$! $(started_at $!)" >pid
  )
}

wait_for() { # NODE: until it answers
  local folder=$DIR/node-$1 end=$((SECONDS + ${WEIR_ENGINES_WAIT:-180}))
  until answers "$1" 2>/dev/null; do
    alive "$folder" || { tail -n 15 "$folder/log" >&2; fail "$NAME ended at its start; its words are in $folder/log"; }
    [ $SECONDS -lt $end ] || fail "$NAME did not answer in time; its words are in $folder/log"
    sleep 0.1
  done
}

family() { # PID: it and its children
  echo "$1"
  cat "/proc/$1"/task/*/children 2>/dev/null || true
}

signal_family() { # SIGNAL FOLDER
  local pid _
  alive "$2" || return 0
  read -r pid _ <"$2/pid"
  # shellcheck disable=SC2046
  kill "-$1" $(family "$pid") 2>/dev/null || true
}

kill_family() { # FOLDER: kill -9, and wait until the last of them has gone
  local pid _ members member
  alive "$1" || return 0
  read -r pid _ <"$1/pid"
  members=$(family "$pid")
  # shellcheck disable=SC2086
  kill -KILL $members 2>/dev/null || true
  for member in $members; do
    while [ -n "$(started_at "$member")" ]; do sleep 0.02; done
  done
}

stop_nodes() { # orderly; after 20 s by force
  local folder pid _ end
  for folder in "$DIR"/node-*; do
    alive "$folder" || continue
    signal_family CONT "$folder"
    read -r pid _ <"$folder/pid"
    kill "-$STOP" "$pid" 2>/dev/null || true
  done
  end=$((SECONDS + 20))
  for folder in "$DIR"/node-*; do
    while alive "$folder" && [ $SECONDS -lt $end ]; do sleep 0.05; done
    kill_family "$folder"
    rm -f "$folder/pid"
  done
}

listens() { # PORT
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

serves() { # PORT PATH: does HTTP answer 200?
  local answer
  exec 3<>"/dev/tcp/127.0.0.1/$1" || return 1
  printf 'GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' "$2" >&3
  read -r -t 5 answer <&3
  exec 3>&-
  [[ $answer == *" 200 "* ]]
}

# Below the ports that the system gives to clients; PORT + 10000 is free too (gRPC, cluster bus).
# It stays reserved until `clean`, so an engine keeps its ports over restarts. A test's own engines (in `own/`)
# share the reservations with the others.
free_port() {
  local port reserved=${RUN%/own/*}/ports
  mkdir -p "$reserved"
  while :; do
    port=$((10000 + RANDOM % 10000))
    if ! listens "$port" && ! listens "$((port + 10000))" && mkdir "$reserved/$port" 2>/dev/null; then
      echo "$port"
      return
    fi
  done
}

port() { # WHAT: the port of that name of this engine, chosen once
  [ -s "$DIR/port-$1" ] || free_port >"$DIR/port-$1"
  cat "$DIR/port-$1"
}

fact() { # KEY VALUE
  echo "$1=$2" >>"$DIR/facts"
}

fill() { # TEMPLATE KEY=VALUE..: the template with each @KEY@ replaced
  local template=$1 pair rules=()
  shift
  for pair in "$@"; do rules+=(-e "s|@${pair%%=*}@|${pair#*=}|g"); done
  sed "${rules[@]}" "$template"
}
