#!/usr/bin/env bash
# A real single-node Apache Kafka (KRaft) from Maven artifacts; needs a JDK 17, Maven and Go, no Docker.
#
#   kafka.sh start   [--dir D] [--port N] [--stop-with PID]
#   kafka.sh restart [--dir D]      stop it if it runs; start it on the same port and data
#   kafka.sh stop    [--dir D]      controlled shutdown; the data stays
#   kafka.sh kill    [--dir D]      SIGKILL, as a crash would; the data stays
#   kafka.sh status  [--dir D]      exit 0 if it runs, 1 if not
#   kafka.sh resolve                only fetch the jars
#
#   --dir D          data, log, pid file and settings of this broker (default build/kafka); one broker a directory
#   --port N         where clients connect, on 127.0.0.1 (default 9092; 0: any free one); kept by the directory
#   --stop-with PID  kill the broker and delete its directory when that process is gone, however it ended
#
# start, restart and status print one line to standard output, `bootstrap.servers=127.0.0.1:PORT`; everything else
# goes to standard error. Once it is printed, the broker answers, and takes transactions at transaction.version >= 2.
# Exit status: 0, 1 for a failure, 2 for wrong use.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
readonly here root
readonly ready_seconds=60 stop_seconds=30 start_attempts=5
# Below the range from which the kernel takes ports for outgoing connections, so that a kept port stays free.
readonly first_free_port=20000 free_ports=10000

say() { echo "kafka: $*" >&2; }
fail() { say "$*"; exit 1; }
wrong_use() { say "$*"; sed -n '4,9p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//' >&2; exit 2; }

# The jars, once for each content of pom.xml. A rename puts them there whole, so that two calls don't disturb each other.
resolve() {
  libs=$root/build/kafka-libs/$(cksum <"$here/pom.xml" | cut -d' ' -f1)
  [ -d "$libs" ] && return
  command -v mvn >/dev/null || fail "Maven is missing: install it (Debian: apt-get install maven), or set KAFKA_BOOTSTRAP_SERVERS to a running broker"
  say "fetching Apache Kafka with Maven"
  mkdir -p "$root/build/kafka-libs"
  local part
  part=$(mktemp -d "$root/build/kafka-libs/part.XXXXXX")
  mvn -B -q -f "$here/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$part" >&2 ||
    { rm -rf "$part"; fail "Maven could not fetch the artifacts of $here/pom.xml"; }
  # Where another call was first, its jars are the same.
  mv -T "$part" "$libs" 2>/dev/null || rm -rf "$part"
  [ -d "$libs" ] || fail "no jars in $libs"
}

java_run() {
  command -v java >/dev/null || fail "Java is missing: install a JDK 17 or newer, or set KAFKA_BOOTSTRAP_SERVERS to a running broker"
  java -Dlog4j2.configurationFile="file://$here/log4j2.properties" -cp "$libs/*" "$@"
}

setting() { sed -n "s/^$1=//p" "$dir/server.properties"; }
port_of() { setting advertised.listeners | sed 's/.*://'; }

# The process id of this directory's broker, if it runs. A pid file outlives its process, and the kernel gives ids again.
pid_of() {
  local pid
  pid=$(cat "$dir/kafka.pid" 2>/dev/null) || return 1
  [[ $(ps -o args= -p "$pid" 2>/dev/null) == *"kafka.Kafka $dir/server.properties"* ]] && echo "$pid"
}

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_port() {
  local port
  for _ in $(seq 100); do
    port=$((first_free_port + (RANDOM * 32768 + RANDOM) % free_ports))
    listening "$port" || { echo "$port"; return; }
  done
  fail "no free port found in $first_free_port..$((first_free_port + free_ports - 1))"
}

# A new directory: settings, and storage formatted with a fresh cluster id (16 random bytes in URL-safe base64).
create() {
  local port=$1 id
  mkdir -p "$dir"
  sed -e "s|@PORT@|$port|; s|@CONTROLLER_PORT@|$(free_port)|; s|@DIR@|$dir|" "$here/server.properties.tmpl" >"$dir/server.properties"
  id=A$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | cut -c 2-22)
  if ! java_run -Xmx256m kafka.tools.StorageTool format --standalone -t "$id" -c "$dir/server.properties" >>"$dir/kafka.log" 2>&1; then
    tail -n 20 "$dir/kafka.log" >&2
    fail "storage could not be formatted in $dir"
  fi
}

# Starts the broker of $dir and waits until it can be used. Returns 1 where it ended by itself.
launch() {
  local pid port
  port=$(port_of)
  nohup java -Xmx1g -Xms256m -Dlog4j2.configurationFile="file://$here/log4j2.properties" -cp "$libs/*" \
    kafka.Kafka "$dir/server.properties" >>"$dir/kafka.log" 2>&1 </dev/null &
  pid=$!
  echo "$pid" >"$dir/kafka.pid"
  if (cd "$root" && go run ./deploy/kafka/local/await -within "${ready_seconds}s" -while "$pid" "127.0.0.1:$port") >&2; then
    return 0
  fi
  tail -n 20 "$dir/kafka.log" >&2
  kill -KILL "$pid" 2>/dev/null && fail "the broker on port $port was not usable, and was killed; its log is $dir/kafka.log"
  return 1
}

announce() { echo "bootstrap.servers=127.0.0.1:$(port_of)"; }

# Waits in the background for a process to end, then takes the broker and its directory away.
# The start time tells the process from a later one with the same id.
stop_with() {
  local owner=$1 started
  started=$(ps -o lstart= -p "$owner") || fail "--stop-with: there is no process $owner"
  (
    trap '' HUP INT
    while [ "$(ps -o lstart= -p "$owner" 2>/dev/null)" = "$started" ]; do sleep 0.5; done
    # A start under way would put files back; it ends by its own deadline.
    while kill -0 $$ 2>/dev/null; do sleep 0.5; done
    "$here/kafka.sh" kill --dir "$dir"
    rm -rf "$dir"
  ) </dev/null >/dev/null 2>&1 &
}

start() {
  if pid_of >/dev/null; then
    [ -z "$port" ] || [ "$port" = 0 ] || [ "$port" = "$(port_of)" ] ||
      fail "the broker of $dir runs already, on port $(port_of): stop it, or take another --dir"
    say "runs already, process $(pid_of)"
    announce
    return
  fi
  resolve
  # Without meta.properties, formatting was not finished.
  if [ -f "$dir/data/meta.properties" ]; then
    [ -z "$port" ] || [ "$port" = 0 ] || [ "$port" = "$(port_of)" ] ||
      fail "$dir belongs to port $(port_of): leave --port out, or take another --dir"
    local tries=1
  else
    [ ! -e "$dir/server.properties" ] || rm -rf "$dir/data" "$dir/server.properties"
    if [ "${port:-9092}" != 0 ] && listening "${port:-9092}"; then
      fail "port ${port:-9092} is taken: choose another with --port, or any free one with --port 0"
    fi
    # A free port found by trying may be taken a moment later: then another one.
    local tries=1
    [ "$port" != 0 ] || tries=$start_attempts
  fi
  # Before the broker, so that an owner that ends meanwhile leaves none behind.
  [ -z "$owner" ] || stop_with "$owner"
  for ((try = 1; try <= tries; try++)); do
    if [ ! -f "$dir/data/meta.properties" ]; then
      if [ "$port" = 0 ]; then create "$(free_port)"; else create "${port:-9092}"; fi
    fi
    if launch; then
      say "process $(pid_of), log $dir/kafka.log"
      announce
      return
    fi
    [ "$tries" = 1 ] || rm -rf "$dir/data"
  done
  fail "the broker did not start; its log is $dir/kafka.log"
}

# Sends a signal and waits for the end of the process.
end() {
  local signal=$1 pid
  if ! pid=$(pid_of); then
    say "no broker runs in $dir"
    return
  fi
  kill "-$signal" "$pid"
  for ((tenths = 0; tenths < stop_seconds * 10; tenths++)); do
    if ! pid_of >/dev/null; then
      rm -f "$dir/kafka.pid"
      return
    fi
    sleep 0.1
  done
  fail "process $pid did not end within $stop_seconds s of SIG$signal: kafka.sh kill --dir $dir"
}

command=${1:-}
[ $# -eq 0 ] || shift
dir=$root/build/kafka port='' owner=''
while [ $# -gt 0 ]; do
  [ $# -ge 2 ] || wrong_use "$1 needs a value"
  case $1 in
    --dir) dir=$2 ;;
    --port) port=$2 ;;
    --stop-with) owner=$2 ;;
    *) wrong_use "unknown option $1" ;;
  esac
  shift 2
done
[[ $port =~ ^[0-9]*$ ]] || wrong_use "--port must be a number, not $port"
[[ $owner =~ ^[0-9]*$ ]] || wrong_use "--stop-with must be a process id, not $owner"
if [ "$command" != start ] && [ -n "$port$owner" ]; then
  wrong_use "--port and --stop-with are for start"
fi
[[ $dir = /* ]] || dir=$PWD/$dir
[[ $dir != *[[:space:]\|]* ]] || wrong_use "--dir must have no white space and no |"

case $command in
  start) start ;;
  stop) end TERM ;;
  kill) end KILL ;;
  restart)
    [ -f "$dir/data/meta.properties" ] || fail "$dir has no broker to restart: start it first"
    end TERM
    start
    ;;
  status)
    pid_of >/dev/null || { say "no broker runs in $dir"; exit 1; }
    announce
    ;;
  resolve)
    resolve
    say "jars in $libs"
    ;;
  '') wrong_use "what shall it do?" ;;
  *) wrong_use "unknown command $command" ;;
esac
