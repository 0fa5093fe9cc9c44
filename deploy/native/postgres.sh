# shellcheck shell=bash
# PostgreSQL: `postgres` (durable: fsync as in production), `postgres-tls` (certificates, TLS only) and
# `postgres-small`, whose database is on a disk of 16 MiB that a test fills.
# User and password `app` (`app-secret` with TLS); the user may create databases.
# shellcheck disable=SC2034
STOP=INT # a "fast" stop: open connections are ended

fetch() {
  programs >/dev/null || jar_of_programs
}

programs() { # the folder of initdb and postgres: the system's newest, else what was fetched
  local folder
  # shellcheck disable=SC2012
  for folder in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -Vr) "$CACHE/postgres/bin"; do
    if [ -x "$folder/initdb" ]; then
      echo "$folder"
      return
    fi
  done
  return 1
}

jar_of_programs() { # PostgreSQL for any Linux, from Maven Central
  local machine=amd64
  [ "$(uname -m)" != aarch64 ] || machine=arm64v8
  need xz xz-utils
  rm -rf "$CACHE/postgres" && mkdir -p "$CACHE/postgres"
  say "fetching PostgreSQL 17"
  maven org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy -DoutputDirectory="$CACHE/postgres" \
    -Dartifact="io.zonky.test.postgres:embedded-postgres-binaries-linux-$machine:17.6.0"
  (cd "$CACHE/postgres" && python3 -m zipfile -e ./*.jar . && tar xJf ./*.txz && rm -rf ./*.jar ./*.txz META-INF)
}

owner() { # who runs it: PostgreSQL refuses root
  if [ "$(id -u)" != 0 ]; then id -un; else id -un postgres 2>/dev/null || echo nobody; fi
}

as_owner() { # CMD..
  if [ "$(id -u)" = 0 ]; then setpriv --reuid="$(owner)" --regid="$(id -g "$(owner)")" --clear-groups -- "$@"; else "$@"; fi
}

home() { # a folder that the owner can reach; the project's may be closed to it
  if [ ! -e "$DIR/home" ]; then
    local home
    home=$(mktemp -d /tmp/weir-postgres.XXXXXX)
    if [ "$(id -u)" = 0 ]; then
      as_owner test -x "$(programs)/initdb" 2>/dev/null || cp -r "$(dirname "$(programs)")" "$home/programs"
      chown "$(owner)" "$home"
    fi
    echo "$home" >"$DIR/home"
  fi
  cat "$DIR/home"
}

leftovers() { home; }

kept() { # false where somebody has tidied up /tmp: then it is made anew
  [ -d "$(cat "$DIR/home" 2>/dev/null)/data" ]
}

program() { # NAME
  if [ -d "$(home)/programs" ]; then echo "$(home)/programs/bin/$1"; else echo "$(programs)/$1"; fi
}

create() {
  local home
  home=$(home)
  cd "$home"
  echo "$(password)" >password && chmod 644 password
  as_owner "$(program initdb)" -D "$home/data" -U app --pwfile=password -A scram-sha-256 -E UTF8 --locale=C.UTF-8 \
    >"$DIR/initdb.log" 2>&1 || { cat "$DIR/initdb.log" >&2; return 1; }
  {
    echo "listen_addresses = '127.0.0.1'"
    echo "port = $(port sql)"
    echo "unix_socket_directories = '$home'"
    echo "max_connections = 200"
    echo "max_wal_size = '2GB'"
  } >>"$home/data/postgresql.conf"
  as_owner "$(program postgres)" --single -D "$home/data" postgres <<<"create database app" >>"$DIR/initdb.log" 2>&1
  : >"$DIR/facts"
  case $NAME in
    postgres-tls) only_tls "$home" ;;
    postgres-small) on_a_small_disk "$home" ;;
  esac
  [ "$NAME" = postgres-tls ] || fact URL "postgres://app:$(password)@127.0.0.1:$(port sql)/app"
}

password() { if [ "$NAME" = postgres-tls ]; then echo app-secret; else echo app; fi; }

on_a_small_disk() { # HOME: the tables of `app` in a folder of their own; the journal is not in it
  as_owner mkdir "$1/small"
  as_owner "$(program postgres)" --single -D "$1/data" postgres >>"$DIR/initdb.log" 2>&1 <<END
create tablespace small location '$1/small'
alter database app set tablespace small
END
}

# In a mount namespace of its own, which takes no root: the folder becomes a disk with what was in it.
SMALL='
cp -a "$1/small" "$1/kept"
mount -t tmpfs -o size=16m,mode=700 none "$1/small"
cp -a "$1/kept/." "$1/small"
: >"$1/small/filler"
chmod 666 "$1/small/filler"
exec "$2" -D "$1/data"'

only_tls() { # HOME
  certificates "$DIR/tls"
  install -m 600 -o "$(owner)" "$DIR/tls/server.key" "$DIR/tls/server.crt" "$1/data"
  printf '%s\n' "ssl = on" "ssl_cert_file = 'server.crt'" "ssl_key_file = 'server.key'" >>"$1/data/postgresql.conf"
  sed -i 's/^host /hostssl /' "$1/data/pg_hba.conf"
  fact URL "postgres://app:$(password)@localhost:$(port sql)/app?sslmode=verify-full&sslrootcert=$DIR/tls/ca.crt"
  fact CA "$DIR/tls/ca.crt"
}

launch() { # NODE
  # A killed server leaves its locks; where nobody reaps it, its number seems to be alive.
  rm -f "$(home)"/data/postmaster.pid "$(home)"/.s.PGSQL.*.lock
  local run=()
  [ "$(id -u)" != 0 ] || run=(setpriv --reuid="$(owner)" --regid="$(id -g "$(owner)")" --clear-groups --)
  if [ "$NAME" != postgres-small ]; then
    spawn "$1" "${run[@]}" "$(program postgres)" -D "$(home)/data"
    return
  fi
  spawn "$1" "${run[@]}" unshare -Um --map-current-user --keep-caps sh -ec "$SMALL" sh "$(home)" "$(program postgres)"
  local pid _
  read -r pid _ <"$DIR/node-$1/pid"
  fact ROOM "/proc/$pid/root$(home)/small/filler"
}

answers() { # NODE
  grep -q 'ready to accept connections' "$DIR/node-$1/log"
}
