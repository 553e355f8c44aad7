#!/usr/bin/env bash
# usage: ./run_conformance_tests.sh [--registry host:port] [results folder]
# Starts the registry on a free port and an empty data folder, runs the official OCI distribution suite against it, stops
# it, and prints the result. The folder (default: conformance-results) gets report.html, results.yaml, junit.xml,
# suite.log and registry.log. The suite's options are in test/conformance/options.env. A skip counts as a failure.
# With --registry the suite runs against one that is there already (plain http), and nothing is started.
set -euo pipefail
address=
if [[ ${1:-} == --registry ]]; then
  address=${2:?host:port is missing}
  shift 2
fi
results=$(realpath -m "${1:-$(dirname "${BASH_SOURCE[0]}")/conformance-results}")
cd "$(dirname "${BASH_SOURCE[0]}")"

ready_within_s=20
suite_within_s=300
# The registry gives requests in flight 25 s to end.
stop_within_s=30

registry=
running=
data=$(mktemp -d)
cleanup() {
  # `timeout` passes SIGTERM on to the suite, which SIGKILL would leave behind.
  [[ -z $running ]] || kill -TERM "$running" 2>/dev/null || true
  [[ -z $registry ]] || kill -KILL "$registry" 2>/dev/null || true
  wait 2>/dev/null
  rm -rf "$data"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
  echo "conformance: $*" >&2
  exit 1
}

node scripts/setup.mjs
suite=$(scripts/tools/ensure.sh conformance)

# What an earlier run left must not be taken for this one's.
mkdir -p "$results"
rm -f "$results"/{report.html,results.yaml,junit.xml,suite.log,registry.log}

start_registry() {
  local port deadline
  port=$(node -e 'const s = require("node:net").createServer();
    s.listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); });')
  PORT=$port HOST=127.0.0.1 STORAGE_PATH=$data/registry UV_THREADPOOL_SIZE=${IO_THREADS:-32} \
    node_modules/.bin/bun src/main.ts \
    >"$results/registry.log" 2>&1 </dev/null &
  registry=$!
  address=127.0.0.1:$port

  deadline=$((SECONDS + ready_within_s))
  until node -e 'fetch(process.argv[1]).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))' \
    "http://127.0.0.1:$port/readyz"; do
    if ! kill -0 "$registry" 2>/dev/null || ((SECONDS >= deadline)); then
      tail -n 20 "$results/registry.log" >&2
      fail "the registry did not become ready; the end of its log ($results/registry.log) is above"
    fi
    sleep 0.1
  done
}
[[ -n $address ]] || start_registry

# Only the options file decides what is tested, not what the caller's shell happens to hold.
for name in "${!OCI_@}"; do unset "$name"; done
set -a
# shellcheck source=test/conformance/options.env
source test/conformance/options.env
set +a

# In the background, so that a signal to this script ends it at once.
OCI_REGISTRY=$address OCI_RESULTS_DIR=$results timeout --foreground --kill-after=5 "$suite_within_s" \
  "$suite" >"$results/suite.log" 2>&1 </dev/null &
running=$!
suite_status=0
wait "$running" || suite_status=$?
running=

registry_status=0
stop_registry() {
  local deadline=$((SECONDS + stop_within_s))
  kill -TERM "$registry"
  while kill -0 "$registry" 2>/dev/null && ((SECONDS < deadline)); do sleep 0.1; done
  kill -KILL "$registry" 2>/dev/null || true
  wait "$registry" || registry_status=$?
  registry=
}
[[ -z $registry ]] || stop_registry

# The suite also ends with 0 when it could not even read its options: only a report of its own counts.
[[ -s $results/junit.xml ]] || fail "the suite ended (status $suite_status) without a result; see $results/suite.log"
totals=$(grep -m 1 '<testsuites ' "$results/junit.xml")
count() {
  if [[ $totals =~ \ $1=\"([0-9]+)\" ]]; then echo "${BASH_REMATCH[1]}"; else echo 0; fi
}
failed=$(($(count failures) + $(count errors)))
skipped=$(($(count skipped) + $(count disabled)))
passed=$(($(count tests) - failed - skipped))

sed -n '/^API conformance:/,$p' "$results/suite.log" | grep -v -e '^time=' -e '^\*\*\*' || true
if ((failed + skipped > 0)); then
  echo 'Not passed:'
  # Only the leaves of the tree of results have a reason under them.
  awk '/^Configuration:/ { exit } /^ +- / { if (name) print name; print; name = ""; next } { name = $0 }' \
    "$results/suite.log" | cut -c 1-400
fi
((registry_status == 0)) || echo "The registry ended with status $registry_status instead of 0 after SIGTERM."
echo "conformance: $passed passed, $failed failed, $skipped skipped"
echo "report: $results"
((passed > 0 && failed == 0 && skipped == 0 && suite_status == 0 && registry_status == 0))
