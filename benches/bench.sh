# shellcheck shell=bash
# The benchmark: `./dev bench`. `dev` reads this file; it is not run by itself.
#
# `dev` brings: binary, broker, cache, fetch_kafka, kafka_version, locked, prepare_build, python_that_proves, run,
# start_kafka, start_registry, stop, try_need.

bench_command() {
  local python places
  python=$(python_that_proves)
  places=(--cache "$cache/bench")
  case " $* " in
    *" --help "* | *" -h "*)
      "$python" benches/run.py --bootstrap - --registry - --binary - "${places[@]}" --help
      return
      ;;
  esac
  try_need default-jre-headless maven || stop "the peers need Java and Maven"
  bench_broker
  prepare_build
  # What is measured is the release, also as the registry of this run.
  binary=$CARGO_TARGET_DIR/release/bespoke
  cargo build --release --locked
  start_kafka
  start_registry
  [ "$broker" = given ] || places+=(--broker-home "${run:?}/broker" --broker "Apache Kafka $kafka_version")
  "$python" benches/run.py --bootstrap "$BOOTSTRAP" --registry "${registry:?}" --binary "$binary" "${places[@]}" "$@"
}

# From the jars, so that the broker's CPU and disk can be seen, unless one is given.
bench_broker() {
  if [ -n "${BOOTSTRAP:-}" ]; then
    broker=given
  else
    locked fetch fetch_kafka || stop "Kafka's jars are needed, or BOOTSTRAP"
    broker=jars
  fi
}
