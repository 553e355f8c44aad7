#!/usr/bin/env bash
# usage: test/run.sh [arguments of bun test]
# `npm test` runs every test. With arguments they go to bun test as they are (`npm test -- src`, `npm test -- -t oras`),
# and only the tools that the chosen tests use are fetched. The last line is "N passed, N failed". Skipped and todo tests
# count as failed, and so do a run that ends without a summary and tools that are unavailable.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Every tool of scripts/tools/lib.sh that a test may use. Missing ones are fetched before the first test that may need
# them, so that no download or build counts against a test's deadline.
tools=(conformance skopeo podman buildah runc oras crane regctl helm cosign containerd ctr docker dockerd docker-compose strace
  ip redis-server redis-sentinel haproxy minio mc versitygw registry curl jq openssl mkfs.ext4 htpasswd argon2 chromium linearizability)
# Tests that use none of them: they run first, while the tools are being fetched.
without_tools=(src workers scripts test/support test/layers.test.ts test/io-threads.test.ts)
# The simulations use no tools either. They need the processors for minutes but measure no time, so they run beside the other
# tests, at the lowest priority: most tests from outside wait for disks, timers and other processes.
simulations=(test/simulation)
# Tests from outside that measure no time, one process after another, beside the rest.
beside=(test/backup test/conformance test/importing test/overview test/past test/replica test/retention
  test/access test/big-blobs.test.ts test/cli test/clients test/collection test/container test/read-only test/workers)

# Only a guard against a test that hangs: on a loaded machine everything takes ten times as long. Tests about time assert it
# themselves. A setting in bunfig.toml has no effect, and Bun's default is 5 s.
default_timeout_ms=300000

# All files of the tests are in one folder, so that even an interrupted run leaves none behind.
TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/marina-tests.XXXXXX")
export TMPDIR
# A file for each port that a test of this run has been given (freePort in test/support/server.ts).
export TEST_PORTS=$TMPDIR/ports
mkdir "$TEST_PORTS"
# The running process groups.
tests=
simulating=
running_beside=
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
  [[ -z $simulating ]] || stop "$simulating"
  [[ -z $running_beside ]] || stop "$running_beside"
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

# bun_test <niceness> <log> <arguments of bun test>: starts one process of bun test in the background, and sets `started` to
# it. It has a process group of its own: this script handles signals at once, and they reach every process that the tests
# started. --no-orphans does the same if this script is killed with SIGKILL.
bun_test() {
  local niceness=$1 log=$2
  shift 2
  set -m
  nice -n "$niceness" node_modules/.bin/bun test --no-orphans --timeout "$default_timeout_ms" "$@" </dev/null >"$log" 2>&1 &
  started=$!
  set +m
}

# run_tests <arguments of bun test>: runs them, and shows their output meanwhile.
run_tests() {
  local log tail status=0
  log=$(mktemp "$TMPDIR/bun-test.XXXXXX")
  bun_test 0 "$log" "$@"
  tests=$started
  tail -n +1 --sleep-interval=0.1 --pid="$tests" -f "$log" &
  tail=$!
  wait "$tests" || status=$?
  wait "$tail"
  tests=
  count_tests "$status" "$log" "$@"
}

start_simulations() {
  simulating_log=$(mktemp "$TMPDIR/bun-test.XXXXXX")
  MARINA_TEST_TOOLS='' bun_test 19 "$simulating_log" "${simulations[@]/#/./}"
  simulating=$started
}

wait_for_simulations() {
  local status=0
  wait "$simulating" || status=$?
  simulating=
  cat "$simulating_log"
  count_tests "$status" "$simulating_log" "${simulations[@]/#/./}"
}

# Each line of results_beside is the status, the log and the path of a process that ended.
start_beside() {
  results_beside=$TMPDIR/beside
  touch "$results_beside"
  set -m
  run_beside &
  running_beside=$!
  set +m
}

# Runs in the background, so its processes are in its process group.
run_beside() {
  local path log status
  set +m
  for path in "${beside[@]}"; do
    log=$(mktemp "$TMPDIR/bun-test.XXXXXX")
    status=0
    nice -n 5 node_modules/.bin/bun test --no-orphans --timeout "$default_timeout_ms" "./$path" </dev/null >"$log" 2>&1 || status=$?
    echo "$status $log $path" >>"$results_beside"
  done
}

wait_for_beside() {
  local status log path
  wait "$running_beside" || true
  running_beside=
  while read -r status log path; do
    cat "$log"
    count_tests "$status" "$log" "./$path"
  done <"$results_beside"
  [[ $(wc -l <"$results_beside") -eq ${#beside[@]} ]] && return
  echo "not all of these ran: ${beside[*]}" | tee -a "$failures"
  failed=$((failed + 1))
}

# count_tests <status> <log> <arguments of bun test>, of a process that ended: adds its counts to the totals, keeps its
# failures, and removes the log.
count_tests() {
  local status=$1 log=$2 plain these_passed these_failed unfinished
  shift 2
  plain=$(tr -d '\000' <"$log" | sed 's/\x1b\[[0-9;]*m//g')
  rm "$log"
  these_passed=$(count pass <<<"$plain")
  these_failed=$(count fail <<<"$plain")
  unfinished=$(($(count skip <<<"$plain") + $(count todo <<<"$plain")))
  if ((unfinished > 0)); then
    echo "$unfinished tests were skipped or are todo: each counts as failed"
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

# Prints each failure with its file, which Bun does not name ("(unnamed)" is a hook), and with the output before it. Errors
# between tests likewise.
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

# In the background, at a low priority, because tests run meanwhile.
start_fetching() {
  set -m
  { nice -n 10 scripts/tools/ensure.sh "${tools[@]}" 2>&1 >/dev/null | tee "$TMPDIR/fetching.log" >&2; } &
  fetching=$!
  set +m
}

# Succeeds if all tools are available.
wait_for_tools() {
  local status=0
  wait "$fetching" || status=$?
  fetching=
  ((status == 0)) && return
  echo "the tests that need tools were not run: $(tail -n 1 "$TMPDIR/fetching.log")" | tee -a "$failures"
  failed=$((failed + 1))
  return 1
}

# Every path of test/ that is not named above. Each runs in its own process, which frees its memory at its end. The contract
# tests would need 1.8 GB in one process, so there each file has its own.
other_tests() {
  local path named
  for path in test/*/ test/contract/*.test.ts test/*.test.ts; do
    path=${path%/}
    for named in "${without_tools[@]}" "${simulations[@]}" "${beside[@]}" test/contract; do [[ $path != "$named" ]] || continue 2; done
    [[ -z $(find "$path" -name '*.test.ts' -print -quit) ]] || echo "$path"
  done
}

if [[ $# -gt 0 ]]; then
  run_tests "$@"
else
  start_fetching
  start_simulations
  MARINA_TEST_TOOLS='' run_tests "${without_tools[@]/#/./}"
  if wait_for_tools; then
    export MARINA_TEST_TOOLS="${tools[*]}"
    start_beside
    for path in $(other_tests); do run_tests "./$path"; done
    wait_for_beside
  fi
  wait_for_simulations
fi

# Again at the end, for readers who see only the end of a long output.
cat "$failures"
echo "$passed passed, $failed failed"
((failed == 0))
