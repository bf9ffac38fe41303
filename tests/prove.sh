# shellcheck shell=bash
# The proofs of exactly-once processing: `./dev prove WHAT`. `dev` reads this file; it is not run by itself.
# Each proof prints its figures on its last line and fails when it falls short.
#
# `dev` brings: binary, build, prepare_build, python_with, locked, require_broker, start_kafka, start_registry, run.

prove_usage() {
  cat <<'USAGE'
./dev prove simulate [--seeds N] [--seed S]   the real worker on a simulated Kafka, with faults, seed by seed
./dev prove mutants                           deliberate defects, of which the simulator must find every one
./dev prove late [--races N]                  requests that arrive late, inside the next transaction [200 races]
./dev prove kills [ARGS]                      processes killed under load on a real broker, among other faults
./dev prove markers                           does this release of Kafka end every transaction, everywhere (KAFKA-20734)
./dev prove scenario N|all|list               the faults that every release must survive, in their whole dose
./dev prove fuzz [--seconds N] [--seed S] [--target T]   hostile bytes for every decoder, N seconds each [30]
USAGE
}

prove_command() {
  local what=${1:-help}
  [ $# -eq 0 ] || shift
  case $what in
    simulate | mutants | late | kills | markers | scenario | fuzz) "prove_$what" "$@" ;;
    help | -h | --help) prove_usage ;;
    *) prove_usage >&2; exit 2 ;;
  esac
}

# Environment that the tests read says how much.
prove_simulate() {
  local seeds=2000 seed=1
  while [ $# -gt 0 ]; do
    case $1 in
      --seeds) seeds=$2; shift 2 ;;
      --seed) seed=$2; shift 2 ;;
      *) prove_usage >&2; exit 2 ;;
    esac
  done
  prepare_build
  BESPOKE_TEST_SEEDS=$seeds BESPOKE_TEST_SEED=$seed told simulation --
}

prove_mutants() {
  prepare_build
  told mutants --features mutants --
}

# Runs one test target and prints its own last figure as the last line: what follows the name of the proof.
told() {
  local target=$1 figure status=0
  shift
  cargo test --locked --test "$target" "$@" --nocapture >"$run/proof.log" 2>&1 || status=$?
  tail -n 40 "$run/proof.log" >&2
  figure=$(grep -E '^prove ' "$run/proof.log" | tail -n 1)
  echo "${figure:-prove $target: failed before it had a figure}"
  [ "$status" -eq 0 ] && [ -n "$figure" ]
}

# Requests of a transaction that arrive inside the next one. The second test switches the defence off, in a build
# that has deliberate defects, and fails when nothing is torn then: the checks would be blind.
prove_late() {
  local races=200
  while [ $# -gt 0 ]; do
    case $1 in
      --races) races=${2:?--races wants a number}; shift 2 ;;
      *) prove_usage >&2; exit 2 ;;
    esac
  done
  require_broker
  prepare_build
  start_kafka
  cargo test --locked --features mutants --test late -- --nocapture a_kept_producer every_loss
  BESPOKE_TEST_RACES=$races cargo test --locked --features mutants --test late -- --nocapture late_requests 2>&1 |
    tee "${run:?}/late.log"
  grep '^prove late:' "$run/late.log"
}

# The campaign starts a broker of its own, from the jars, since it kills it.
prove_kills() {
  local python
  python=$(python_that_kills)
  [ "${1:-}" != --help ] || { "$python" tests/prove/kills.py --help --binary - --jars -; return; }
  build
  # A check that cannot fail proves nothing: the campaign's own are shown first that they do.
  (cd tests/prove && "$python" -m unittest --quiet campaign.teeth)
  "$python" tests/prove/kills.py --binary "$binary" --jars "$kafka_home" "$@"
}

# Kafka alone, without Bespoke: what is promised can be kept on a release that passes.
prove_markers() {
  local python
  python=$(python_that_kills)
  "$python" tests/prove/markers.py --jars "$kafka_home"
}

# Fetches Kafka's jars and prints the Python that the proofs which kill brokers are run with.
python_that_kills() {
  locked fetch fetch_kafka || stop "this needs Java and Kafka's jars: a broker that is given cannot be killed"
  python_that_proves
}

# Prints the Python that reads what Bespoke writes; the benchmark is run with it too.
python_that_proves() {
  locked python python_with prove confluent-kafka==2.16.1 fastavro==1.13.1 jsonschema==4.26.0 PyYAML==6.0.3 \
    tzdata==2026.6 xxhash==4.1.0
}

# What fails is made smaller, named, and kept in tests/fuzz/corpus, where every later test finds it.
prove_fuzz() {
  local seconds=30 seed='' target=''
  while [ $# -gt 0 ]; do
    case $1 in
      --seconds) seconds=${2:?--seconds needs a number} ;;
      --seed) seed=${2:?--seed needs a number} ;;
      --target) target=${2:?--target needs a name} ;;
      *) prove_usage >&2; exit 2 ;;
    esac
    shift 2
  done
  prepare_build
  export BESPOKE_FUZZ_SECONDS=$seconds BESPOKE_FUZZ_TARGET=$target
  [ -z "$seed" ] || export BESPOKE_FUZZ_SEED=$seed
  cargo test --locked --quiet --test fuzz
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
