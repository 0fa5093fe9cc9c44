#!/usr/bin/env bash
# Breaks, one after the other, the promises that docs/detector.md rests on, and shows that a named
# test notices each. Those of a real engine want one (WEIR_ENGINES=native). Works on a copy of the
# tree below target/; the checkout stays as it is.
#
#   tests/mutations.sh            all
#   tests/mutations.sh no-seq     those whose name contains "no-seq"
#
# Exits 1 when a mutant survives, a patch no longer applies, or a test fails without any mutant.
# Takes about 80 s on two cores once the dependencies are compiled; not a part of .ci/run.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
tree=$root/target/mutations/tree
export CARGO_TARGET_DIR=$root/target
only=${1:-}

# name of the patch | package | test target | test that must fail
mutants=(
  "no-seq-check|weir-conflicts|--test stories|what_is_sent_twice_or_by_a_fenced_writer_has_no_effect"
  "block-applies-below-pb|weir-conflicts|--test properties|a_restart_anywhere_leaves_no_trace"
  "store-ignores-versions|weir-record-store|--test sqlite|a_transition_that_comes_late_does_not_replace_a_newer_state"
  "postgres-ignores-versions|weir-record-store|--test postgres|a_transition_that_comes_late_does_not_replace_a_newer_state"
  "postgres-ignores-fences|weir-record-store|--test postgres|a_lower_fence_is_refused_and_writes_nothing"
  "manifest-before-ack|weir-conflict-detector|--lib|no_manifest_before_every_effect_below_it_is_acknowledged"
  "second-stage-forgets|weir-conflict-detector|--test both_stages|a_forged_neighbour_is_found_once_whatever_is_started_again_or_replayed"
  "redis-ignores-versions|weir-online-store|--test stores|a_redis_conforms"
  "redis-ignores-fences|weir-online-store|--lib|a_zombie_that_was_let_in_cannot_move_the_place"
  "redis-ignores-lost-writes|weir-online-store|--lib|a_writer_notices_that_the_server_lost_what_it_had_written"
  "cql-ignores-versions|weir-metric-store|--test cql|the_greater_version_wins"
  "cql-ignores-fences|weir-metric-store|--test cql|a_writer_that_is_overtaken_while_it_writes_does_not_move_the_position"
  "cql-ignores-lost-writes|weir-metric-store|--test cql|a_writer_notices_that_the_nodes_lost_what_it_had_written"
  "history-ignores-ranges|weir-feature-materializer|--test pipeline|a_machine_with_an_empty_disk_writes_the_same_files_of_history"
)

# Times of files are kept, so that a second run compiles only what changed.
rm -rf "$tree"
mkdir -p "$tree"
git ls-files -z --cached --others --exclude-standard \
  | while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done \
  | tar --create --null --files-from - | tar --extract --directory "$tree"
cd "$tree"

# `git apply` must not mistake the checkout around the copy for its own.
export GIT_CEILING_DIRECTORIES=$root/target/mutations
log=$root/target/mutations/log
export PROPTEST_FAILURE_PERSISTENCE=off

# What became of a test: "passed", "failed", or "did not run" (does not build, is gone).
outcome() {
  # $2 is two words: option and value.
  # shellcheck disable=SC2086
  cargo test --quiet --locked --package "$1" $2 -- "$3" >"$log" 2>&1 || true
  if grep -q "^test result: FAILED" "$log"; then
    echo failed
  elif grep -q "^test result: ok. [1-9]" "$log"; then
    echo passed
  else
    echo "did not run"
  fi
}

bad=0
for mutant in "${mutants[@]}"; do
  IFS='|' read -r name package target test <<<"$mutant"
  [[ $name == *"$only"* ]] || continue
  patch=$root/tests/mutations/$name.patch
  begun=$SECONDS
  found=$(outcome "$package" "$target" "$test")
  if [ "$found" != passed ]; then
    printf '%s: without the mutant, %s of %s %s\n' "$name" "$test" "$package" "$found"
    tail -20 "$log"
    bad=1
    continue
  fi
  if ! git apply "$patch"; then
    printf '%s: the patch no longer applies\n' "$name"
    bad=1
    continue
  fi
  found=$(outcome "$package" "$target" "$test")
  git apply --reverse "$patch"
  if [ "$found" = failed ]; then
    printf '%s: caught by %s (%s), %d s\n' "$name" "$test" "$package" $((SECONDS - begun))
    grep -m 3 -A 3 -E "panicked at|Test failed" "$log" | cut -c1-200 | sed 's/^/    /' || true
  else
    printf '%s: SURVIVED, %s of %s %s\n' "$name" "$test" "$package" "$found"
    tail -20 "$log"
    bad=1
  fi
done
exit $bad
