# shellcheck shell=bash
# What images.sh and compose-up.sh have in common: podman, buildah and runc with a storage that goes away, and
# prebuilt binaries in place of the Dockerfile's build stage. Source it from the root of the checkout.

SERVICES="weir-ingest weir-conflict-detector weir-feature-materializer weir-metrics-aggregator weir-serving-api"
me=$(basename "$0" .sh)

fail() { echo "$me: $*" >&2; exit 1; }

missing() { # what this machine lacks, in words; nothing where all is there
  local tool
  for tool in buildah podman runc strip ldd; do
    command -v "$tool" >/dev/null || { echo "$tool is not here: apt-get install buildah podman runc binutils"; return; }
  done
  [ "$(id -u)" = 0 ] || echo "root is needed: the containers have no user namespace of their own"
}

complete() { # FOLDER: it has every binary
  local name
  for name in weir $SERVICES; do [ -x "$1/$name" ] || return 1; done
}

find_binaries() { # [FOLDER]: sets `binaries` to it, or to the first of cargo's folders that has them all
  binaries=${1:-}
  if [ -z "$binaries" ]; then
    for binaries in target/dist target/release target/debug; do complete "$binaries" && break; done
  fi
  complete "$binaries" || fail "$binaries lacks a binary: cargo build --profile dist --bins"
}

own_storage() { # FOLDER: storage, network and logs of these containers alone; what stands for the build stage
  printf '[storage]\ndriver = "vfs"\ngraphroot = "%s/store"\nrunroot = "%s/run"\n' "$1" "$1" >"$1/storage.conf"
  # Limits that an unprivileged machine allows.
  cat >"$1/containers.conf" <<'C'
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]
log_driver = "k8s-file"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
C
  export CONTAINERS_STORAGE_CONF=$1/storage.conf CONTAINERS_CONF=$1/containers.conf
  export STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot
  deploy/images/roots.sh "$binaries" "$1/stage/out"
}
