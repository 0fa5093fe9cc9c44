#!/bin/sh
# roots.sh BINARIES OUT: the file tree of each image below OUT: the stripped binary, the few libraries
# that it asks for, and the public certificate authorities. The Dockerfile's build stage runs it, and so
# does deploy/ci/images.sh, so that what is proven is what is shipped.
set -eu
binaries=$1 out=$2

for name in weir weir-ingest weir-conflict-detector weir-feature-materializer weir-metrics-aggregator weir-serving-api; do
  root=$out/$name
  mkdir -p "$root"
  strip -o "$root/$name" "$binaries/$name"
  # The lines of ldd with a path: what the loader found, and the loader itself.
  ldd "$binaries/$name" | grep -o '/[^ ]*' | sort -u | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
  done
  # For S3, RIS Live or a registry with a certificate of a public authority. Your own: `ca_file`.
  if [ -e /etc/ssl/certs/ca-certificates.crt ]; then
    mkdir -p "$root/etc/ssl/certs"
    cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
  fi
done

# What a new volume on /data begins as; the images give it to their user.
mkdir -p "$out/data"
: >"$out/data/.weir"
