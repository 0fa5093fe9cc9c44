#!/usr/bin/env bash
# Checks docker-compose.kafka.yml: with Docker's own reader where there is an engine, else against
# the compose schema that the check-jsonschema wheel carries.
set -euo pipefail
cd "$(dirname "$0")/../.."

if docker compose version >/dev/null 2>&1; then
  docker compose -f docker-compose.kafka.yml config --quiet
else
  venv=target/ci-venv
  [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check check-jsonschema
  "$venv/bin/check-jsonschema" --builtin-schema vendor.compose-spec docker-compose.kafka.yml
fi
