# The commands that people type; CI types the first one too.

.PHONY: test engines engines-down

# Everything, with the real engines that can start here. What cannot is skipped and said;
# WEIR_REQUIRE_ENGINES=all turns a skip into a failure.
# As many at once as there are cores: each may start engines and processes of its own, and engines that get no
# turn are taken for dead.
test: export RUST_TEST_THREADS ?= $(shell getconf _NPROCESSORS_ONLN)
test:
	deploy/native/engines exec -- cargo test --workspace --locked

# Keeps all of them running (target/engines), and prints their addresses as variables.
engines:
	deploy/native/engines up all

engines-down:
	deploy/native/engines clean
