# shellcheck shell=bash
# The proofs of exactly-once processing: `./dev prove WHAT`. `dev` reads this file; it is not run by itself.
# Each proof prints its figures on its last line and fails when it falls short.
#
# `dev` brings: binary, build, prepare_build, python_with, locked, require_broker, start_kafka, start_registry, run.

prove_usage() {
  cat <<'USAGE'
./dev prove simulate [--seeds N] [--seed S]   the real worker on a simulated Kafka, with faults, seed by seed
./dev prove mutants                           deliberate defects, of which the simulator must find every one
./dev prove scenario N|all|list               the faults that every release must survive, in their whole dose
USAGE
}

prove_command() {
  local what=${1:-help}
  [ $# -eq 0 ] || shift
  case $what in
    simulate | mutants | scenario) "prove_$what" "$@" ;;
    help | -h | --help) prove_usage ;;
    *) prove_usage >&2; exit 2 ;;
  esac
}

# ---- Scenarios -----------------------------------------------------------------------------------------

# Number, what happens, and where it is proved: a test target with a filter, a command, or what it waits for.
scenarios() {
  cat <<'TABLE'
1|killed at random moments, three processes, under load|dev|prove kills
2|killed at every named step of the commit and the restore|dev|prove simulate
3|a late EndTxn or Produce meets the next transaction|dev|prove late
4|a zombie: stopped for longer than session and transaction|test|scenarios scenario_04
5|a hundred joins and leaves|test|kafka members_
6|brokers that coordinate are killed, three of them or the only one|test|scenarios scenario_06, kafka broker_is_killed
7|slower than the transaction's timeout and the poll interval|test|scenarios scenario_07
8|input trimmed below the position, position beyond the end|test|scenarios scenario_08
9|changelog trimmed, set up wrongly, missing, made anew, repartitioned|test|scenarios scenario_09
10|bytes of a closed store changed, cut off, taken away|test|store_damage scenario_10
11|disk full while writing and while restoring|test|scenarios scenario_11
12|the N-th call to the disk fails or does too little|test|scenarios scenario_12
13|state directory lost, or an old copy of it put back|test|kafka state::
14|two processes with one state directory, name or transactional id|test|scenarios scenario_14
15|network deaf either way, cut, refusing, slow, trickling, slicing|test|scenarios scenario_15
16|malformed Avro|test|edges scenario_16
17|schema registry away, failing, refusing, silent, not knowing|test|kafka registry::, scenarios scenario_17
18|poison rules|test|edges scenario_18
19|erasure under load|waiting|erasure, which does not exist yet
20|consent withdrawn between event and decision|waiting|consent, which does not exist yet
21|rolling upgrade and back|waiting|an older release to upgrade from
22|a fatal client error, a name that another uses|test|scenarios scenario_22
23|asked to end under load, restoring, rebalancing, without a broker|test|scenarios scenario_23
TABLE
}

prove_scenario() {
  local wanted=${1:-list} number what kind where
  case $wanted in
    list) list_scenarios ;;
    all) all_scenarios ;;
    *)
      IFS='|' read -r number what kind where < <(scenarios | grep "^$wanted|") ||
        stop "there is no scenario $wanted: \`./dev prove scenario list\` shows all"
      [ "$kind" != waiting ] || stop "scenario $number waits for $where"
      prepare_scenarios
      one_scenario "$number" "$what" "$kind" "$where"
      ;;
  esac
}

list_scenarios() {
  local number what kind where
  while IFS='|' read -r number what kind where; do
    case $kind in
      test) where="cargo test --test ${where//, /, --test }" ;;
      dev) where="./dev $where" ;;
      waiting) where="waiting for $where" ;;
    esac
    printf '%2s  %-66s %s\n' "$number" "$what" "$where"
  done < <(scenarios)
}

# Every one, whatever becomes of those before it.
all_scenarios() {
  local number what kind where passed=0 failed=() waiting=0
  prepare_scenarios
  while IFS='|' read -r -u 8 number what kind where; do
    if [ "$kind" = waiting ]; then
      waiting=$((waiting + 1))
    elif (one_scenario "$number" "$what" "$kind" "$where"); then
      passed=$((passed + 1))
    else
      failed+=("$number")
    fi
  done 8< <(scenarios)
  echo "prove scenario: $passed passed, ${#failed[@]} failed${failed[*]:+ (${failed[*]})}, $waiting wait for features"
  [ ${#failed[@]} -eq 0 ]
}

# Some scenarios kill brokers of their own, which are made of Kafka's jars, and one makes system calls fail.
prepare_scenarios() {
  try_need strace || say "without strace scenario 12 is skipped"
  locked fetch fetch_kafka || say "without Kafka's jars the scenarios that need brokers of their own are skipped"
  require_broker
  prepare_build
  start_kafka
}

one_scenario() {
  local number=$1 what=$2 kind=$3 where=$4 part began=$SECONDS
  say "==== scenario $number: $what"
  export BESPOKE_TEST_LONG=1 BESPOKE_TEST_VISITS=${BESPOKE_TEST_VISITS:-100}
  if [ "$kind" = dev ]; then
    # shellcheck disable=SC2086
    "$root/dev" $where || return 1
  else
    while read -r part; do
      # shellcheck disable=SC2086
      scenario_tests "$number" $part || return 1
    done < <(tr ',' '\n' <<<"$where")
  fi
  echo "scenario $number: passed in $((SECONDS - began)) s"
}

# A filter that no test has would pass, and prove nothing.
scenario_tests() {
  local number=$1 target=$2 filter=$3 log=$run/scenario.log
  cargo test --locked --test "$target" -- --nocapture "$filter" 2>&1 | tee "$log" || return 1
  grep -q '^test result: ok. [1-9]' "$log" || { say "scenario $number: no test ran"; return 1; }
  ! grep -E '(scenario|skipped).*: skipped,' "$log" >&2 || say "scenario $number: not all of it could be run here"
}
