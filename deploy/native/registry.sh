# shellcheck shell=bash
# A schema registry with Confluent's REST interface: Apicurio Registry, on Java 21 or newer.

fetch() {
  java 21 99 >/dev/null
  ! complete registry || return 0
  say "fetching Apicurio Registry"
  rm -rf "$CACHE/registry"
  maven org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy -DoutputDirectory="$CACHE/registry" \
    -Dartifact=io.apicurio:apicurio-registry-app:3.3.3:tar.gz:all
  tar xzf "$CACHE"/registry/*.tar.gz -C "$CACHE/registry"
  rm "$CACHE"/registry/*.tar.gz
  finished registry
}

create() {
  : >"$DIR/facts"
  fact URL "http://127.0.0.1:$(port http)/apis/ccompat/v7"
}

kept() { # HOLDER: what another version has registered would judge the definitions of this one
  [ "$1" = kept ] || [ -e "$DIR/holders/kept" ]
}

launch() { # NODE
  mkdir -p "$DIR/node-1/tmp"
  spawn "$1" "$(java 21 99)" -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData \
    -Djava.io.tmpdir="$DIR/node-1/tmp" -Dquarkus.http.host=127.0.0.1 -Dquarkus.http.port="$(port http)" \
    -Dquarkus.management.host=127.0.0.1 -Dquarkus.management.port="$(port management)" \
    -Dapicurio.storage.kind=sql -Dapicurio.storage.sql.kind=h2 \
    -Dapicurio.datasource.url="jdbc:h2:file:$DIR/node-1/registry" -jar "$CACHE/registry/quarkus-run.jar"
}

answers() { # NODE
  serves "$(port http)" /apis/ccompat/v7/subjects
}
