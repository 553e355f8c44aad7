#!/usr/bin/env bash
# usage: test/run.sh [arguments of bun test]
# `npm test` runs every test. With arguments they go to bun test as they are (`npm test -- src`, `npm test -- -t oras`),
# and only the tools that the chosen tests ask for are fetched. The last line is "N passed, N failed"; a skipped test and
# one that is still to be written count as failed, and so do a run that ends without a summary and tools that cannot be had.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Everything from scripts/tools/lib.sh that a test may use. What is missing is fetched before the first test that may need
# it, so that no test's deadline has to hold a download or a build.
tools=(conformance skopeo podman buildah runc oras crane regctl docker dockerd docker-compose strace ip redis-server
  redis-sentinel haproxy minio mc versitygw registry curl openssl mkfs.ext4)
# Tests that use none of them: they run first, while the tools are being fetched.
without_tools=(src workers scripts test/support test/layers.test.ts test/io-threads.test.ts test/send-threads.test.ts)
# So are the simulations, which take both processors for minutes. No time is measured in them, so they give way to others.
simulations=(test/simulation)

# No more than a guard against a test that hangs: on a loaded machine everything takes ten times as long. What is promised
# about time is asserted by the tests themselves. A setting in bunfig.toml has no effect, Bun's default is 5 s.
default_timeout_ms=300000

# What the tests start or write lies in one folder, so that nothing is left of an interrupted run either.
TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/marina-tests.XXXXXX")
export TMPDIR
# Process groups that run now.
tests=
fetching=
stop() {
  kill -TERM -- "-$1" 2>/dev/null || return 0
  for _ in {1..50}; do
    kill -0 -- "-$1" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -KILL -- "-$1" 2>/dev/null || true
}
cleanup() {
  [[ -z $tests ]] || stop "$tests"
  [[ -z $fetching ]] || stop "$fetching"
  rm -rf "$TMPDIR"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

[[ ! -t 1 ]] || export FORCE_COLOR=1
passed=0
failed=0
failures=$TMPDIR/failures
touch "$failures"

# run_tests <niceness> <arguments of bun test>: one process of bun test. Its counts are added to the sums, and its failures
# are kept.
run_tests() {
  local niceness=$1 log tail plain status=0 these_passed these_failed unfinished
  shift
  log=$(mktemp "$TMPDIR/bun-test.XXXXXX")
  # A process group of its own, in the background: a signal to this script is acted on at once, and reaches every process
  # that the tests started. --no-orphans does the same when this script is killed without a chance to do so.
  set -m
  nice -n "$niceness" node_modules/.bin/bun test --no-orphans --timeout "$default_timeout_ms" "$@" </dev/null >"$log" 2>&1 &
  tests=$!
  set +m
  tail -n +1 --sleep-interval=0.1 --pid="$tests" -f "$log" &
  tail=$!
  wait "$tests" || status=$?
  wait "$tail"
  tests=

  plain=$(tr -d '\000' <"$log" | sed 's/\x1b\[[0-9;]*m//g')
  rm "$log"
  these_passed=$(count pass <<<"$plain")
  these_failed=$(count fail <<<"$plain")
  unfinished=$(($(count skip <<<"$plain") + $(count todo <<<"$plain")))
  if ((unfinished > 0)); then
    echo "$unfinished tests were skipped or are still to be written: each counts as failed"
    these_failed=$((these_failed + unfinished))
  fi
  if ! grep -qE '^Ran [0-9]+ tests? across' <<<"$plain" || ((these_passed + these_failed == 0)); then
    echo "bun test $* ended (status $status) before its summary, or found no test" | tee -a "$failures"
    these_failed=$((these_failed + 1))
  elif ((status != 0 && these_failed == 0)); then
    echo "bun test $* ended with status $status though no test failed: an error between tests, see above"
    these_failed=1
  fi
  ((these_failed == 0)) || print_failures <<<"$plain" >>"$failures"
  passed=$((passed + these_passed))
  failed=$((failed + these_failed))
}

# The last "  12 pass" line of each kind: Bun writes its summary at the very end.
count() {
  local line
  line=$(grep -E "^ *[0-9]+ $1\$" | tail -n 1) || true
  line=${line% *}
  echo "$((line))"
}

# Each failure's file, which Bun does not name ("(unnamed)" is a hook), and what was printed before it. Errors between
# tests likewise.
print_failures() {
  awk '/^[^ ]+\.test\.ts:$/ { file = $0; held = ""; next }
       /^\(pass\)/ { held = ""; next }
       { held = held $0 "\n" }
       /^# Unhandled error/ { held = $0 "\n"; dashes = 2; next }
       /^-+$/ && dashes > 0 && --dashes == 0 || /^\(fail\)/ {
         printf "\n%s\n%s", file, substr(held, length(held) > 4000 ? length(held) - 4000 : 1)
         held = ""
       }
       /tests? failed:$/ { exit }'
}

# In the background, at a low priority: the tests that run meanwhile come first.
start_fetching() {
  set -m
  { nice -n 10 scripts/tools/ensure.sh "${tools[@]}" 2>&1 >/dev/null | tee "$TMPDIR/fetching.log" >&2; } &
  fetching=$!
  set +m
}

# Whether all tools are there.
wait_for_tools() {
  local status=0
  wait "$fetching" || status=$?
  fetching=
  ((status == 0)) && return
  echo "the tests that need tools were not run: $(tail -n 1 "$TMPDIR/fetching.log")" | tee -a "$failures"
  failed=$((failed + 1))
  return 1
}

# Every path of test/ that is not named above, each a process of its own, which frees its memory at its end. The contract
# tests of many stores together would need 1.8 GB: there each file is a process.
other_tests() {
  local path named
  for path in test/*/ test/contract/*.test.ts test/*.test.ts; do
    path=${path%/}
    for named in "${without_tools[@]}" "${simulations[@]}" test/contract; do [[ $path != "$named" ]] || continue 2; done
    [[ -z $(find "$path" -name '*.test.ts' -print -quit) ]] || echo "$path"
  done
}

if [[ $# -gt 0 ]]; then
  run_tests 0 "$@"
else
  start_fetching
  MARINA_TEST_TOOLS='' run_tests 0 "${without_tools[@]/#/./}"
  MARINA_TEST_TOOLS='' run_tests 10 "${simulations[@]/#/./}"
  if wait_for_tools; then
    export MARINA_TEST_TOOLS="${tools[*]}"
    for path in $(other_tests); do run_tests 0 "./$path"; done
  fi
fi

# Again at the end, where who sees only the end of a long output looks.
cat "$failures"
echo "$passed passed, $failed failed"
((failed == 0))
