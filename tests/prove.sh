# shellcheck shell=bash
# The proofs of exactly-once processing: `./dev prove WHAT`. `dev` reads this file; it is not run by itself.
# Each proof prints its figures on its last line and fails when it falls short.
#
# `dev` brings: binary, build, prepare_build, python_with, locked, require_broker, start_kafka, start_registry, run.

prove_usage() {
  cat <<'USAGE'
./dev prove simulate [--seeds N] [--seed S]   the real worker on a simulated Kafka, with faults, seed by seed
./dev prove mutants                           deliberate defects, of which the simulator must find every one
./dev prove kills [ARGS]                      processes killed under load on a real broker, among other faults
USAGE
}

prove_command() {
  local what=${1:-help}
  [ $# -eq 0 ] || shift
  case $what in
    simulate | mutants | kills) "prove_$what" "$@" ;;
    help | -h | --help) prove_usage ;;
    *) prove_usage >&2; exit 2 ;;
  esac
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
