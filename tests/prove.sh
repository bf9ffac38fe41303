# shellcheck shell=bash
# The proofs of exactly-once processing: `./dev prove WHAT`. `dev` reads this file; it is not run by itself.
# Each proof prints its figures on its last line and fails when it falls short.
#
# `dev` brings: binary, build, prepare_build, python_with, locked, require_broker, start_kafka, start_registry, run.

prove_usage() {
  cat <<'USAGE'
./dev prove simulate [--seeds N] [--seed S]   the real worker on a simulated Kafka, with faults, seed by seed
./dev prove mutants                           deliberate defects, of which the simulator must find every one
USAGE
}

prove_command() {
  local what=${1:-help}
  [ $# -eq 0 ] || shift
  case $what in
    simulate | mutants) "prove_$what" "$@" ;;
    help | -h | --help) prove_usage ;;
    *) prove_usage >&2; exit 2 ;;
  esac
}
