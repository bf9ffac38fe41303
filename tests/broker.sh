# shellcheck shell=bash
# A Kafka broker for the tests, the demo and work by hand. `dev` reads this file; it is not run by itself.
#
# One broker is one directory, and everything there is to know about it lies in that directory, so that
# another process can stop it, or kill it and start it again on the same data:
#
#   address            where clients find it, as host:port
#   pid                its process, or
#   container          its container
#   server.properties  its settings
#   kafka.log          what it has said since its last start; kafka.log.before: until then
#   data/              its records, offsets and transactions
#
# `dev` brings: cache, usage, say, stop, try_need, require_broker, locked and run.

# The newest release that writes every marker: from 4.3.0 on, 4.4.0 included, a restarted broker may call a
# transaction complete whose markers it has dropped (KAFKA-20734). `./dev prove markers` asks a release.
kafka_version=${BESPOKE_KAFKA_VERSION:-4.2.2}
kafka_image=apache/kafka:$kafka_version
kafka_home=${cache:?}/kafka-$kafka_version

# Decides where Kafka comes from and leaves the answer in `broker`: given, docker, jars or none.
# What has to be installed or fetched for it is installed and fetched here, before anything is built.
choose_broker() {
  if [ -n "${BOOTSTRAP:-}" ]; then
    broker=given
  elif timeout 10 docker info >/dev/null 2>&1; then
    broker=docker
  elif locked fetch fetch_kafka; then
    broker=jars
  else
    broker=none
  fi
}

# Starts a fresh broker in a new directory and returns when it answers.
broker_start() {
  local home=$1
  mkdir -p "$home"
  # One at a time: a chosen port stays free until its broker listens, and another start would choose it too.
  locked broker "start_from_$broker" "$home"
}

# Kills the broker without warning and starts it again on the same data.
broker_restart() {
  local home=$1
  if [ -e "$home/container" ]; then
    docker kill "$(cat "$home/container")" >/dev/null 2>&1 || true
    run_container "$home"
  else
    kill -KILL "$(cat "$home/pid")" 2>/dev/null || true
    while broker_runs "$home"; do sleep 0.05; done
    run_java "$home"
  fi
}

# Lets the broker stand still, then go on: for longer than the sessions of the tests' groups (6 s), for less than
# its own (9 s, of which its heartbeats, two a second, leave nearly all), without which it leads nothing.
broker_pause() {
  local home=$1 seconds=7
  if [ -e "$home/container" ]; then
    docker pause "$(cat "$home/container")" >/dev/null
    sleep "$seconds"
    docker unpause "$(cat "$home/container")" >/dev/null
  else
    kill -STOP "$(cat "$home/pid")"
    sleep "$seconds"
    kill -CONT "$(cat "$home/pid")"
  fi
}

# Stops the broker of a directory, if one was started there.
broker_stop() {
  local home=$1
  if [ -e "$home/container" ]; then
    docker rm --force --volumes "$(cat "$home/container")" >/dev/null
  elif [ -e "$home/pid" ]; then
    stop_process "$home/pid" "$home"
  fi
}

broker_runs() {
  local home=$1
  if [ -e "$home/container" ]; then
    [ "$(docker inspect --format '{{.State.Running}}' "$(cat "$home/container")" 2>/dev/null)" = true ]
  else
    [ -e "$home/pid" ] && process_runs "$(cat "$home/pid")" "$home"
  fi
}

# ---- Apache's own jars ---------------------------------------------------------------------------------

start_from_jars() {
  local home=$1 port
  port=$(free_port 9092 2)
  say "broker: Apache Kafka $kafka_version from its jars at 127.0.0.1:$port"
  echo "127.0.0.1:$port" >"$home/address"
  server_properties "$port" "$home/data" >"$home/server.properties"
  log_properties >"$home/log4j2.properties"
  (java_of "$home" kafka.tools.StorageTool format -t "$(cluster_id)" -c "$home/server.properties") \
    >"$home/kafka.log" 2>&1 || kafka_failed "$(tail -n 30 "$home/kafka.log")"
  run_java "$home"
}

run_java() {
  local home=$1 deadline=$((SECONDS + 90))
  mv -f "$home/kafka.log" "$home/kafka.log.before"
  # The broker must not inherit the lock, which it would hold for as long as it lives.
  java_of "$home" kafka.Kafka "$home/server.properties" </dev/null >"$home/kafka.log" 2>&1 9>&- &
  echo $! >"$home/pid"
  until grep -q 'Kafka Server started' "$home/kafka.log"; do
    if [ $SECONDS -gt $deadline ] || ! kill -0 $! 2>/dev/null; then
      kafka_failed "$(tail -n 30 "$home/kafka.log")"
    fi
    sleep 0.1
  done
}

# Turns the calling shell into Java, so that its process id is the one to stop; call it in a subshell.
# A session of its own keeps Ctrl-C from the broker: what runs against it can finish its work first.
# The quotes stay around the star: Java expands it, the shell must not.
java_of() {
  local home=$1
  shift
  exec setsid java -Xmx512m "-Dlog4j2.configurationFile=$home/log4j2.properties" -cp "$kafka_home/libs/*" "$@"
}

# Fetches the jars once, for every checkout. They appear in the cache when they are complete, or not at all.
fetch_kafka() {
  if [ -d "$kafka_home/libs" ]; then
    try_need default-jre-headless
    return
  fi
  try_need default-jre-headless maven || return 1
  say "fetching Apache Kafka $kafka_version: 54 MB, once"
  local work
  work=$(mktemp -d "$cache/kafka.XXXXXX") || return 1
  kafka_pom >"$work/pom.xml"
  mvn --quiet --batch-mode -Dstyle.color=never --file "$work/pom.xml" \
    org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$work/libs" >&2 && mv -T "$work" "$kafka_home" && return 0
  rm -rf "$work"
  say "Apache Kafka could not be fetched"
  return 1
}

kafka_pom() {
  cat <<EOF
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>bespoke</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$kafka_version</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>$kafka_version</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.25.2</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-core</artifactId><version>2.25.2</version></dependency>
  </dependencies>
</project>
EOF
}

# ---- Docker --------------------------------------------------------------------------------------------

start_from_docker() {
  local home=$1 port name
  port=$(free_port 9092 2)
  name=bespoke-kafka-$$-$port
  say "broker: Docker, $kafka_image at 127.0.0.1:$port"
  echo "127.0.0.1:$port" >"$home/address"
  server_properties "$port" /tmp/kafka-data >"$home/server.properties"
  # The image takes its settings from the environment: a.b becomes KAFKA_A_B. Inside the container the
  # broker listens on every interface, and the published port is open to this machine alone.
  awk -F= '{ key = toupper($1); gsub(/\./, "_", key); print "KAFKA_" key substr($0, length($1) + 1) }' \
    "$home/server.properties" | sed 's|^\(KAFKA_LISTENERS=PLAINTEXT://\)127.0.0.1|\10.0.0.0|' >"$home/environment"
  docker create --name "$name" --publish "127.0.0.1:$port:$port" --env-file "$home/environment" \
    --env "CLUSTER_ID=$(cluster_id)" --env KAFKA_HEAP_OPTS=-Xmx512m "$kafka_image" >/dev/null
  echo "$name" >"$home/container"
  run_container "$home"
}

run_container() {
  local home=$1 name deadline=$((SECONDS + 90))
  name=$(cat "$home/container")
  docker start "$name" >/dev/null
  # Docker opens the published port before Kafka does, so a connection proves nothing: ask the broker.
  until docker exec "$name" /opt/kafka/bin/kafka-topics.sh --bootstrap-server "$(cat "$home/address")" --list \
    >/dev/null 2>&1; do
    if [ $SECONDS -gt $deadline ] || ! broker_runs "$home"; then
      kafka_failed "$(docker logs --tail 30 "$name" 2>&1)"
    fi
    sleep 0.5
  done
}

# ---- Settings ------------------------------------------------------------------------------------------

# One node that is broker and controller, for tests: what waits or cleans up by the clock does so quickly, and
# nothing is created that was not asked for. The time after which the controller gives a silent broker up stays
# Kafka's own nine seconds: after three, a busy machine lost its only broker.
server_properties() {
  local port=$1 data=$2
  cat <<EOF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((port + 1))
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
advertised.listeners=PLAINTEXT://127.0.0.1:$port
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$data
auto.create.topics.enable=false
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
offsets.retention.minutes=10080
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.heartbeat.interval.ms=500
log.cleaner.backoff.ms=100
log.retention.check.interval.ms=1000
EOF
}

log_properties() {
  cat <<'EOF'
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{HH:mm:ss.SSS} %p %m (%c)%n%throwable
rootLogger.level = INFO
rootLogger.appenderRef.out.ref = out
EOF
}

# Sixteen random bytes in base64, as Kafka writes its ids, with no sign that a command line could misread.
cluster_id() {
  head -c 16 /dev/urandom | base64 | tr -d = | tr '+/' 'AB'
}

kafka_failed() {
  stop "Kafka did not start. The last lines of its log:
$1"
}

# ---- By hand -------------------------------------------------------------------------------------------

# The broker for work by hand lives in a directory of its own, which a link in the cache remembers.
# A directory may be named instead: so the tests restart and pause their broker.
kafka_command() {
  local link=$cache/kafka-by-hand home
  home=${2:-$(readlink -f "$link")}
  case ${1:-} in
    start) start_by_hand "$link" "$home" ;;
    stop) stop_by_hand "$link" "$home" ;;
    restart) broker_restart "$home" ;;
    pause) broker_pause "$home" ;;
    status) status_by_hand "$home" ;;
    *) usage >&2; exit 2 ;;
  esac
}

start_by_hand() {
  local link=$1 home=$2
  if broker_runs "$home"; then
    say "broker: running already at $(cat "$home/address")"
    return
  fi
  unset BOOTSTRAP
  require_broker
  home=${run:?}/broker
  broker_start "$home"
  # From here on it outlives this command.
  trap - EXIT
  ln -sfn "$home" "$link"
  echo "export BOOTSTRAP=$(cat "$home/address")"
}

stop_by_hand() {
  local link=$1 home=$2
  [ -e "$home/address" ] || stop "broker: none was started by hand"
  broker_stop "$home"
  rm -rf "${home%/broker}" "$link"
  say "broker: stopped"
}

status_by_hand() {
  local home=$1
  broker_runs "$home" || { echo "broker: not running"; exit 3; }
  echo "broker: running at $(cat "$home/address"), its files are in $home"
}

# ---- Ports and processes -------------------------------------------------------------------------------

# Prints the first port from FIRST on that is free, with COUNT - 1 free ports behind it.
free_port() {
  local port=$1 count=$2 offset=0
  while [ "$offset" -lt "$count" ]; do
    if port_taken $((port + offset)); then
      say "port $((port + offset)) is taken"
      port=$((port + offset + 1)) offset=0
    else
      offset=$((offset + 1))
    fi
  done
  echo "$port"
}

port_taken() { (: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Is this process still the one that was started with WORD in its command line? Ids are used again.
process_runs() {
  local pid=$1 word=$2
  grep -qsF -- "$word" "/proc/$pid/cmdline"
}

# Asks the process to end, and makes it end after ten seconds.
stop_process() {
  local pid word=$2
  pid=$(cat "$1")
  ! process_runs "$pid" "$word" || kill "$pid" 2>/dev/null || true
  for _ in {1..100}; do
    process_runs "$pid" "$word" || return 0
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null || true
}
