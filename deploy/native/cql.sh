# shellcheck shell=bash
# A CQL engine: Apache Cassandra (ScyllaDB, which production runs, is in no package registry).
# `cql` is open; `cql-secure` wants TLS and a password.

fetch() {
  java 17 17 >/dev/null
  ! complete cassandra-jars || return 0
  jars cassandra-jars "$here/cassandra.pom.xml"
  # The native libraries of other systems.
  rm -f "$CACHE"/cassandra-jars/*-osx-*.jar "$CACHE"/cassandra-jars/*-windows-*.jar
}

create() {
  local authenticator=AllowAllAuthenticator authorizer=AllowAllAuthorizer
  : >"$DIR/facts"
  if [ "$NAME" = cql-secure ]; then
    authenticator=PasswordAuthenticator authorizer=CassandraAuthorizer
    certificates "$DIR/tls"
    fact URL "cql://localhost:$(port cql)"
    fact USER cassandra
    fact PASSWORD cassandra-secret
    fact CA "$DIR/tls/ca.crt"
  else
    fact URL "cql://127.0.0.1:$(port cql)"
  fi
  fill "$here/cassandra.yaml" "FOLDER=$DIR/node-1" "CQL_PORT=$(port cql)" "STORAGE_PORT=$(port storage)" \
    "AUTHENTICATOR=$authenticator" "AUTHORIZER=$authorizer" >"$DIR/node-1/cassandra.yaml"
  if [ "$NAME" = cql-secure ]; then tls >>"$DIR/node-1/cassandra.yaml"; fi
  cat >"$DIR/node-1/logback.xml" <<'END'
<configuration>
  <appender name="log" class="ch.qos.logback.core.ConsoleAppender"><encoder><pattern>%d{HH:mm:ss} %p %m%n</pattern></encoder></appender>
  <root level="INFO"><appender-ref ref="log"/></root>
</configuration>
END
}

tls() { # the client's side; Java reads a PKCS#12 store
  openssl pkcs12 -export -in "$DIR/tls/server.crt" -inkey "$DIR/tls/server.key" -certfile "$DIR/tls/ca.crt" \
    -passout pass:weir-store -out "$DIR/tls/server.p12"
  cat <<END

client_encryption_options:
  enabled: true
  optional: false
  require_client_auth: false
  store_type: PKCS12
  keystore: "$DIR/tls/server.p12"
  keystore_password: weir-store
END
}

# What Cassandra reaches into of Java 17's closed modules.
opened() {
  local package
  for package in java.base/java.{io,lang,lang.module,lang.reflect,math,net,nio,util,util.concurrent,util.concurrent.atomic} \
    java.base/jdk.internal.{loader,math,module,ref,reflect,util.jar} java.base/sun.nio.ch \
    jdk.management/com.sun.management.internal; do
    echo "--add-opens=$package=ALL-UNNAMED"
  done
  for package in java.base/java.lang.ref java.base/jdk.internal.{misc,ref} java.base/sun.nio.ch java.sql/java.sql \
    java.management/com.sun.jmx.remote.security java.management.rmi/com.sun.jmx.remote.internal.rmi \
    java.rmi/sun.rmi.{registry,server,transport.tcp} jdk.unsupported/sun.misc; do
    echo "--add-exports=$package=ALL-UNNAMED"
  done
}

launch() { # NODE
  local folder=$DIR/node-1 open
  mapfile -t open < <(opened)
  mkdir -p "$folder/tmp"
  spawn "$1" "$(java 17 17)" "${open[@]}" -javaagent:"$(echo "$CACHE"/cassandra-jars/jamm-*.jar)" \
    -Xms640m -Xmx640m -Xss256k -XX:MaxDirectMemorySize=512m -XX:+UseParallelGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData \
    -XX:+ExitOnOutOfMemoryError \
    -Djava.io.tmpdir="$folder/tmp" -Djna.tmpdir="$folder/tmp" -Djdk.attach.allowAttachSelf=true \
    -Dcassandra.config="file://$folder/cassandra.yaml" -Dcassandra.storagedir="$folder" -Dcassandra.logdir="$folder" \
    -Dlogback.configurationFile="$folder/logback.xml" -Dcassandra-foreground=yes \
    -Dcassandra.skip_wait_for_gossip_to_settle=0 -Dcassandra.ring_delay_ms=100 -Dcassandra.superuser_setup_delay_ms=0 \
    -cp "$CACHE/cassandra-jars/*" org.apache.cassandra.service.CassandraDaemon
}

answers() { # NODE
  grep -q 'Startup complete' "$DIR/node-1/log" && listens "$(port cql)"
}

prepare() { # logins fail until the first role exists; its password is its name
  [ "$NAME" != cql ] || return 0
  until grep -q 'Created default superuser role' "$DIR/node-1/log"; do sleep 0.1; done
  python3 "$here/cql_password.py" "$(port cql)" "$DIR/tls/ca.crt" cassandra cassandra cassandra-secret
}
