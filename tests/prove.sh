# shellcheck shell=bash
# The proofs of exactly-once processing: `./dev prove WHAT`. `dev` reads this file; it is not run by itself.
# Each proof prints its figures on its last line and fails when it falls short.
#
# `dev` brings: binary, build, prepare_build, python_with, locked, require_broker, start_kafka, start_registry, run.

prove_usage() {
  cat <<'USAGE'
./dev prove simulate [--seeds N] [--seed S]   the real worker on a simulated Kafka, with faults, seed by seed
./dev prove mutants                           deliberate defects, of which the simulator must find every one
./dev prove fuzz [--seconds N] [--seed S] [--target T]   hostile bytes for every decoder, N seconds each [30]
USAGE
}

prove_command() {
  local what=${1:-help}
  [ $# -eq 0 ] || shift
  case $what in
    simulate | mutants | fuzz) "prove_$what" "$@" ;;
    help | -h | --help) prove_usage ;;
    *) prove_usage >&2; exit 2 ;;
  esac
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
