# shellcheck shell=bash
# The benchmark: `./dev bench`. `dev` reads this file; it is not run by itself.
#
# `dev` brings: binary, broker, cache, fetch_kafka, kafka_version, locked, prepare_build, python_with, run,
# start_kafka, start_registry, stop, try_need.

bench_command() {
  local python places
  # The same environment as the proofs', whose reading of the state's rows is used.
  python=$(locked python python_with prove confluent-kafka==2.16.1 fastavro==1.13.1 PyYAML==6.0.3 xxhash==4.1.0)
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
