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
./dev prove scenario N|all|list               the faults that every release must survive, in their whole dose
./dev prove fuzz [--seconds N] [--seed S] [--target T]   hostile bytes for every decoder, N seconds each [30]
USAGE
}

prove_command() {
  local what=${1:-help}
  [ $# -eq 0 ] || shift
  case $what in
    simulate | mutants | late | kills | scenario | fuzz) "prove_$what" "$@" ;;
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
  locked fetch fetch_kafka || stop "this needs Java and Kafka's jars: a broker that is given cannot be killed"
  python=$(locked python python_with prove confluent-kafka==2.16.1 fastavro==1.13.1 PyYAML==6.0.3 xxhash==4.1.0)
  [ "${1:-}" != --help ] || { "$python" tests/prove/kills.py --help --binary - --jars -; return; }
  build
  # A check that cannot fail proves nothing: the campaign's own are shown first that they do.
  (cd tests/prove && "$python" -m unittest --quiet campaign.teeth)
  "$python" tests/prove/kills.py --binary "$binary" --jars "$kafka_home" "$@"
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
