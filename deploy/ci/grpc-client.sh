#!/usr/bin/env bash
# A Python client, generated from our .proto file, against the running program: examples/python is
# what people copy, so it must work.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=target/ci/grpc-client
mkdir -p "$work"
if [ ! -x "$work/venv/bin/python" ]; then
  python3 -m venv "$work/venv"
  "$work/venv/bin/pip" install --quiet --disable-pip-version-check 'grpcio==1.76.*' 'grpcio-tools==1.76.*'
fi
"$work/venv/bin/python" -m grpc_tools.protoc -I proto \
  --python_out="$work" --grpc_python_out="$work" proto/weir/serving/v1/serving.proto

# As the tests build it, so that after them nothing is to do.
cargo test --workspace --no-run --locked --quiet
rm -rf "$work/data" "$work/out"
target/debug/weir --source scenario --speed 600x --data "$work/data" \
  --listen 127.0.0.1:0 --grpc 127.0.0.1:0 --broker 127.0.0.1:0 >"$work/out" 2>"$work/err" &
weir=$!
trap 'kill "$weir" 2>/dev/null || true; wait "$weir" 2>/dev/null || true' EXIT

address() { sed -n 's/^gRPC *//p' "$work/out"; }
for _ in $(seq 300); do
  [ -n "$(address)" ] && break
  kill -0 "$weir" || { cat "$work/err"; exit 1; }
  sleep 0.1
done

PYTHONPATH="$work" timeout 60 "$work/venv/bin/python" examples/python/incidents.py "$(address)" 3 | tee "$work/incidents"
grep -q 'synthetic' "$work/incidents"
