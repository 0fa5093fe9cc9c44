# shellcheck shell=bash
# Who needs an engine: it stops when its last holder has gone. A holder is a process, or `kept` (until `down`).

hold() { # HOLDER
  mkdir -p "$DIR/holders"
  if [ "$1" = kept ]; then touch "$DIR/holders/kept"; else started_at "$1" >"$DIR/holders/$1"; fi
}

release() { # PID: it has gone; with it the engines that only dead processes hold
  local name
  # The watch-over may do the same at the same time: the locks put them in order.
  for name in "${all[@]}"; do
    [ ! -e "$RUN/$name/holders/$1" ] || (release_one "$name" "$1") || true
  done
}

release_one() { # NAME PID
  load "$1"
  lock "$RUN/$1.lock"
  rm -f "$DIR/holders/$2"
  local holder
  for holder in "$DIR"/holders/*; do
    [ -e "$holder" ] || continue
    case $(basename "$holder") in
      kept) return ;;
      *) [ "$(started_at "$(basename "$holder")")" != "$(cat "$holder")" ] || return 0 ;;
    esac
  done
  stop_nodes
}

watch() { # PID: a process apart that releases what PID holds, even after kill -9
  mkdir -p "$RUN/watched"
  local mark
  mark=$RUN/watched/$1-$(started_at "$1")
  mkdir "$mark" 2>/dev/null || return 0
  setsid "$here/engines" watch-over "$1" "$mark" </dev/null >/dev/null 2>&1 9>&- &
}

watch_over() { # PID MARK
  tail --pid="$1" -f /dev/null
  release "$1"
  rmdir "$2" 2>/dev/null || true
}
