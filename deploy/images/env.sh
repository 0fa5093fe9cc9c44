#!/bin/sh
# Writes .env beside docker-compose.kafka.yml: .env.example with a fresh secret for each name that is empty
# there. Leaves an .env that is there alone. `env.sh FILE` writes FILE instead.
set -eu
cd "$(dirname "$0")/../.."
file=${1:-.env}

if [ -e "$file" ]; then
  echo "$file is there already: nothing is changed" >&2
  exit 0
fi
umask 077
while IFS= read -r line; do
  case $line in
    [A-Z]*=) line=$line$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n') ;;
  esac
  printf '%s\n' "$line"
done <.env.example >"$file.new"
mv "$file.new" "$file"
echo "$file is written, with fresh secrets that only you can read"
