#!/usr/bin/env bash
# Brokers of a test's own, which it may kill: one, or three that stand in for each other. From Apache's jars,
# which `./dev` has fetched; it is no way to run Kafka for anything else.
#
#   tests/brokers.sh start DIRECTORY COUNT   fresh brokers, when all of them answer
#   tests/brokers.sh up DIRECTORY NODE       one that was killed, on its data
#
# DIRECTORY/NODE/ports holds four ports: plain, controller, and a second listener with the port that it tells
# clients instead of its own, for a proxy to listen on. DIRECTORY/NODE/pid is the process. Exit code 3: there
# is no Kafka here to start.
set -euo pipefail
shopt -s inherit_errexit

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${BESPOKE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bespoke}

say() { printf '%s\n' "$*" >&2; }
stop() { say "$*"; exit 1; }
locked() {
  local name=$1
  shift
  (flock 9; "$@") 9>"$cache/$name.lock"
}

# shellcheck source=tests/broker.sh
source "$root/tests/broker.sh"

main() {
  [ -d "${kafka_home:?}/libs" ] || { say "no Kafka in $kafka_home: \`./dev kafka start\` fetches it"; exit 3; }
  command -v java >/dev/null || { say "java is missing"; exit 3; }
  case ${1:-} in
    # One start at a time: a chosen port stays free until its broker listens.
    start) locked broker start_all "$2" "$3" ;;
    up) launch "$2/$3"; await "$2/$3" ;;
    *) stop "usage: tests/brokers.sh start DIRECTORY COUNT | up DIRECTORY NODE" ;;
  esac
}

start_all() {
  local home=$1 count=$2 cluster first node voters=()
  cluster=$(cluster_id)
  # Below the ports that the kernel gives to outgoing connections, of which one could come before the broker.
  first=$(free_port $((20000 + RANDOM % 12000)) $((4 * count)) 2>/dev/null)
  for node in $(seq "$count"); do
    voters+=("$node@127.0.0.1:$((first + 4 * (node - 1) + 1))")
  done
  for node in $(seq "$count"); do
    mkdir -p "$home/$node"
    settings "$home/$node" "$node" "$count" $((first + 4 * (node - 1))) "$(IFS=,; echo "${voters[*]}")"
    log_properties >"$home/$node/log4j2.properties"
    (java_of "$home/$node" kafka.tools.StorageTool format -t "$cluster" -c "$home/$node/server.properties") \
      >"$home/$node/kafka.log" 2>&1 || stop "$(tail -n 30 "$home/$node/kafka.log")"
  done
  for node in $(seq "$count"); do launch "$home/$node"; done
  for node in $(seq "$count"); do await "$home/$node"; done
}

# What is written last holds: these lines stand behind those of a broker that is alone.
settings() {
  local home=$1 node=$2 count=$3 port=$4 voters=$5 replicas
  replicas=$((count < 3 ? 1 : 3))
  echo "$port $((port + 1)) $((port + 2)) $((port + 3))" >"$home/ports"
  server_properties "$port" "$home/data" >"$home/server.properties"
  cat >>"$home/server.properties" <<END
node.id=$node
controller.quorum.voters=$voters
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1)),PROXIED://127.0.0.1:$((port + 2))
advertised.listeners=PLAINTEXT://127.0.0.1:$port,PROXIED://127.0.0.1:$((port + 3))
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
offsets.topic.replication.factor=$replicas
transaction.state.log.replication.factor=$replicas
transaction.state.log.min.isr=$((replicas < 3 ? 1 : 2))
min.insync.replicas=$((replicas < 3 ? 1 : 2))
replica.lag.time.max.ms=5000
END
}

# A session of its own keeps Ctrl-C from it; the lock must not be held for as long as it lives.
launch() {
  local home=$1
  [ ! -e "$home/kafka.log" ] || mv -f "$home/kafka.log" "$home/kafka.log.before"
  setsid java -Xmx320m "-Dlog4j2.configurationFile=$home/log4j2.properties" -cp "$kafka_home/libs/*" \
    kafka.Kafka "$home/server.properties" </dev/null >"$home/kafka.log" 2>&1 9>&- &
  echo $! >"$home/pid"
}

await() {
  local home=$1 deadline=$((SECONDS + 90))
  until grep -q 'Kafka Server started' "$home/kafka.log"; do
    if [ $SECONDS -gt $deadline ] || ! kill -0 "$(cat "$home/pid")" 2>/dev/null; then
      stop "Kafka did not start: $(tail -n 30 "$home/kafka.log")"
    fi
    sleep 0.1
  done
}

main "$@"
