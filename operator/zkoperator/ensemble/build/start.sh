#!/bin/sh
# Start of one member, by one rule for first start, restart, joiner, stale and wiped volume: keep the newest versioned
# configuration that names this pod; otherwise start as a non-voter from the committed members; refuse what is somebody
# else's. Needs no network.
set -eu

conf=/data/conf
data=/data/data
id=$((${POD_NAME##*-} + ${ZK_FIRST_ID:-1}))
own="server.$id=$POD_NAME.$ZK_DOMAIN:2888:3888"

service=${ZK_DOMAIN%%.svc.*}.svc.
namespace=${service#*.}
namespace=${namespace%%.*}
ensemble=$(cat /config/ensemble 2>/dev/null || :)
consent=$(cat /config/take-over 2>/dev/null || :)

say() { echo "start: member $id: $*"; }

# The kubelet puts the last words of a container into the status of its pod, where the operator finds them.
refuse() {
  say "$*"
  { echo "$*" >/dev/termination-log; } 2>/dev/null || :
  exit 1
}

# An image may be anybody's.
require_tools() {
  missing=''
  for tool in zkServer.sh bash cat date grep mkdir mv rm sed sleep sort ${ZK_TLS:+readlink} ${ZK_SEED_FROM:+cp}; do
    command -v "$tool" >/dev/null || missing="$missing $tool"
  done
  [ -z "$missing" ] || refuse "the image lacks$missing; see what an image must contain, or leave spec.image out"
}

# A crash of the node can leave the newest file empty or cut off. The server ends the last line without a newline.
is_whole() {
  whole='server\.[0-9]+=.+:[0-9]+:[0-9]+.*;.*[0-9]|(version|group|weight).*=.+|#.*|'
  grep -q '^server\.' "$1" && ! grep -Evq "^($whole)[[:space:]]*\$" "$1"
}

# Versions are hexadecimal without leading zeros: the longer is the larger. `.next` and `.tmp` do not count.
newest() {
  for file in "$conf"/zoo.cfg.dynamic.*; do
    version=${file##*.}
    case $version in '' | *[!0-9a-f]*) continue ;; esac
    if is_whole "$file"; then echo "${#version} $version"; else say "passing over $file, which is not whole" >&2; fi
  done | LC_ALL=C sort -k1,1n -k2,2 | sed -n '$s/.* //p'
}

# An empty volume may found the ensemble only while both the pod and the cluster's ConfigMap say so with the same word,
# never while data is to be taken over, never where an ensemble has been founded already, which even an empty versioned
# configuration proves, and never on a volume that took the place of the one on which this very pod tried before.
may_found() {
  [ -n "${ZK_BOOTSTRAP:-}" ] && [ "$ZK_BOOTSTRAP" = "$(cat /config/bootstrap 2>/dev/null || :)" ] || return 1
  [ -z "$consent" ] || return 1
  ! any "$conf"/zoo.cfg.dynamic.[0-9a-f]* || return 1
  [ ! -e /tmp/founding ] || [ -e "$conf/founding" ]
}

any() { [ -e "$1" ]; }
has_logs() { any "$1"/version-2/log.*; }
has_data() { any "$1"/version-2/snapshot.* || has_logs "$1"; }

hosts() { sed -n 's/^server\.[0-9]*=\([^:;]*\).*/\1/p' "$1"; }
names_this_ensemble() { hosts "$1" | grep -qF ".$service"; }
names_this_pod() { sed -n "s/^server\.$id=/=/p" "$1" | grep -qF "=$POD_NAME.$service"; }

# What only an earlier start of ours leaves beside data that has no versioned configuration yet.
was_started() {
  for mark in taken-over restoring incarnation; do
    [ ! -e "$conf/$mark" ] || return 0
  done
  if may_found; then [ -e "$conf/founding" ]; else grep -qs "^dynamicConfigFile=$conf/" "$conf/zoo.cfg"; fi
}

# Whose the volume is, in one word, and nothing where it is ours or nobody's. Ours has the mark of this ensemble, as soon
# as it was started once by a version that marks; and its configuration names hosts of this Service and namespace. A copy
# has the mark and the names of the original, and would find its way there.
stranger() {
  mark=$(cat "$conf/ensemble" 2>/dev/null || :)
  if [ -n "$mark" ] && [ -n "$ensemble" ] && [ "$mark" != "$ensemble" ]; then
    echo "$mark"
  elif [ -n "$stored" ] && ! names_this_ensemble "$stored"; then
    origin=$(hosts "$stored" | sed 's/^[A-Za-z][^.]*\.//' | LC_ALL=C sort | sed q)
    echo "${origin:-unknown}"
  elif [ -z "$version" ] && ! was_started && { has_data "$data" || has_data "${data%/*}"; }; then
    echo unknown
  fi
}

# Founding would erase the data of somebody else, joining would sync over it, and starting with its configuration would
# lead to its owner. So none of these is done.
refuse_stranger() {
  refuse "the volume holds data of another ensemble ($1), which is neither used nor erased. To do without it: keep a copy," \
    "kubectl -n $namespace delete pvc data-$POD_NAME --wait=false, then delete the pod. To start a new ensemble with it:" \
    "kubectl -n $namespace annotate zk ${POD_NAME%-zk-*} zkoperator.dev/take-over=$1"
}

# By the word of a person: the data stays, and with it this member votes in the new ensemble of the first members. Every
# part can be done again, and what marks the volume as somebody else's goes last.
take_over() {
  if ! has_data "$data" && has_data "${data%/*}"; then
    rm -rf "$data/version-2"
    mv "${data%/*}/version-2" "$data/version-2"
  fi
  has_logs "$data" || refuse "the volume holds snapshots without transaction logs, so acknowledged writes may be missing:" \
    "copy the directory of the logs (dataLogDir) into $data/version-2 first"
  say "taking over the data of $1; its configuration is kept in $conf/foreign"
  : >"$conf/taken-over"
  mkdir -p "$conf/foreign"
  rm -f "$data/initialize" "$conf/founding"
  for file in "$conf"/zoo.cfg* "$conf/ensemble"; do
    [ ! -e "$file" ] || mv "$file" "$conf/foreign/"
  done
  version='' stored=''
}

# A leader that is elected while its name does not resolve yet leads nobody until initLimit is over, so founders wait for
# the names of all founders, for a while: a name that never comes must not stop the others. The while is one of the clock,
# as a name server that does not answer makes a single look-up take many seconds.
await_names() {
  command -v getent >/dev/null || return 0
  latest=$(($(date +%s) + 10))
  for host in $(sed -n 's/^server\.[0-9]*=\([^:]*\):.*/\1/p' /config/members); do
    while [ "$(date +%s)" -lt "$latest" ] && ! getent hosts "$host" >/dev/null; do
      sleep 0.1
    done
  done
}

found_ensemble() {
  rm -rf "$data/version-2" "$conf"/zoo.cfg.dynamic*
  : >"$conf/founding"
  : >/tmp/founding
  : >"$data/initialize"
  first_members
}

first_members() { grep '^server\.' /config/members >"$conf/dynamic.tmp"; }

client_address() { cat /config/client 2>/dev/null || echo 0.0.0.0:2181; }

join_ensemble() {
  rm -f "$conf"/zoo.cfg.dynamic* "$conf/founding" "$data/initialize"
  {
    grep '^server\.' /config/members | grep -v "^server\.$id=" || :
    echo "$own:observer;$(client_address)"
  } >"$conf/dynamic.tmp"
}

# An incarnation is the ensemble as it begins again from the data of one member, the seed: its own, after a lost quorum, or
# that of a backup, which a Job has put on its volume. Everybody else's data is of a past that the seed may not know, so it
# is put aside, not erased, before it can be mixed with the seed's. An incarnation is known by the epoch with which it
# begins, which is above all earlier ones. Whose the volume's data is, is written last: every part can be done again.
begin_incarnation() {
  begun=$(cat "$conf/incarnation" 2>/dev/null || echo 0)
  [ "$begun" -lt "${ZK_INCARNATION:-0}" ] || return 0
  if is_seed && [ -n "${ZK_SEED_FROM:-}" ]; then
    take_backup
  elif is_seed; then
    has_data "$data" || refuse "the ensemble was to begin again with the data of $POD_NAME, and its volume has none:" \
      "approve the recovery from another member"
  else
    put_aside
  fi
  rm -f "$conf"/zoo.cfg.dynamic* "$conf/founding" "$conf/taken-over" "$data/initialize"
  echo "$ZK_INCARNATION" >"$conf/incarnation.tmp"
  mv "$conf/incarnation.tmp" "$conf/incarnation"
  rm -f "$conf/restoring"
}

put_aside() {
  any "$data"/version-2 || return 0
  aside=${data%/*}/aside/$ZK_INCARNATION.$(date +%s)
  while any "$aside"; do aside=$aside+; done
  say "putting the data of the past aside, into $aside"
  mkdir -p "$aside"
  mv "$data/version-2" "$aside/"
}

# The file that was fetched stays until the seed has led, so that all of this can be done again. It is alone in the new
# directory: with a snapshot or log of the past beside it, the server would load that.
take_backup() {
  fetched=${data%/*}/restore/$ZK_INCARNATION
  any "$fetched"/snapshot.* || refuse "the ensemble was to begin with a backup, and there is none in $fetched:" \
    "approve the recovery from a member that has data; a cluster that is new is deleted with its claims and made anew"
  say "beginning with the backup in $fetched"
  : >"$conf/restoring"
  rm -rf "$data/version-2.restored"
  mkdir "$data/version-2.restored"
  for file in "$fetched"/snapshot.*; do
    ln "$file" "$data/version-2.restored/" 2>/dev/null || cp "$file" "$data/version-2.restored/"
  done
  put_aside
  mv "$data/version-2.restored" "$data/version-2"
}

is_seed() { [ "${ZK_SEED:-}" = "$POD_NAME" ]; }

# Clients that saw more than the seed has would be refused for ever, and members that come back with newer data would
# never copy the seed's, if its epoch were not above all that ever was. The accepted one may not be lower than the current.
raise_epoch() {
  epoch=$(cat "$data/version-2/acceptedEpoch" 2>/dev/null || echo 0)
  [ "$epoch" -ge "$ZK_INCARNATION" ] || epoch=$ZK_INCARNATION
  for file in acceptedEpoch currentEpoch; do
    echo "$epoch" >"$data/version-2/$file.raised"
    mv "$data/version-2/$file.raised" "$data/version-2/$file"
  done
}

# A person may let one member without any data vote once, by creating this file on its volume (see docs/recovery.md).
recovers() { [ -e /data/recover ] && ! has_data "$data"; }

newest_configuration() {
  version=$(newest)
  stored=${version:+$conf/zoo.cfg.dynamic.$version}
  [ -n "$stored" ] || [ ! -e "$conf/zoo.cfg.dynamic" ] || stored=$conf/zoo.cfg.dynamic
}

require_tools
mkdir -p "$conf" "$data"
echo "$id" >"$data/myid"
newest_configuration
whose=$(stranger)
if [ -n "$whose" ]; then
  [ "$consent" = "$whose" ] || refuse_stranger "$whose"
  take_over "$whose"
fi
begin_incarnation
newest_configuration
if is_seed && [ -z "$version" ]; then
  say "leading alone, to begin again with the data of this member, in epoch $ZK_INCARNATION"
  raise_epoch
  echo "$own:participant;$(client_address)" >"$conf/dynamic.tmp"
  dynamic=$conf/zoo.cfg.dynamic
  mv "$conf/dynamic.tmp" "$dynamic"
elif recovers; then
  say "recovering by hand: voting with an empty disk, once"
  found_ensemble
  mv "$conf/dynamic.tmp" "$conf/zoo.cfg.dynamic"
  dynamic=$conf/zoo.cfg.dynamic
  rm -f /data/recover
elif [ -n "$version" ] && names_this_pod "$stored"; then
  say "restarting with configuration $version"
  dynamic=$stored
  rm -f "$conf/taken-over"
  [ -n "${ZK_SEED_FROM:-}" ] || rm -rf "${data%/*}/restore"
else
  if [ -z "$version" ] && [ -e "$conf/taken-over" ]; then
    say "voting with the data that was taken over"
    first_members
    await_names
  elif may_found; then
    say "founding the ensemble"
    found_ensemble
    await_names
  else
    say "joining the ensemble as a non-voter"
    join_ensemble
  fi
  dynamic=$conf/zoo.cfg.dynamic
  mv "$conf/dynamic.tmp" "$dynamic"
fi
if [ -n "$ensemble" ]; then
  echo "$ensemble" >"$conf/ensemble.tmp"
  mv "$conf/ensemble.tmp" "$conf/ensemble"
fi
{
  cat /config/zoo.cfg
  printf '%s' "${ZK_TLS:-}"
  echo "dynamicConfigFile=$dynamic"
} >"$conf/zoo.cfg.tmp"
mv "$conf/zoo.cfg.tmp" "$conf/zoo.cfg"

# The limit that the container really has: one that a LimitRange set at admission is in no spec. Bytes, or nothing.
memory_limit() {
  for file in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
    limit=$(cat "$file" 2>/dev/null || :)
    # The older kind of cgroup has a number of 19 digits where there is no limit.
    case $limit in '' | *[!0-9]* | ????????????????*) ;; *) echo "$limit" && return ;; esac
  done
}

# Beside the heap there must be room for buffers, which may take half of the rest, for the JVM itself and for its threads.
limit=$(memory_limit)
if [ -n "$limit" ]; then
  beside=$(($(cat /config/beside-heap 2>/dev/null || echo 0) * 1048576))
  ZK_SERVER_HEAP=$(((limit - beside) * $(cat /config/heap-percent 2>/dev/null || echo 50) / 100 / 1048576))
  buffers=$(((limit / 1048576 - ZK_SERVER_HEAP) / 2))
  case ${SERVER_JVMFLAGS:-} in
    *-XX:MaxDirectMemorySize=*) ;;
    *) SERVER_JVMFLAGS="-XX:MaxDirectMemorySize=${buffers}m ${SERVER_JVMFLAGS:-}" ;;
  esac
  export ZK_SERVER_HEAP SERVER_JVMFLAGS
  say "heap $ZK_SERVER_HEAP MiB of $((limit / 1048576)) MiB"
fi

# A server sees a file that is renamed into its directory, and does not see how the kubelet changes a volume. So the files
# of the Secret are copied into memory: authorities before certificates, as a peer that has the new certificate must be
# trusted first, and one a tick, as the server loses one of two changes that come together.
certificates=/certificates
live=/run/tls
files="client-ca.pem quorum-ca.pem client.pem quorum.pem"

# The directory is resolved once, so that the files are never of two generations.
generation() { readlink -f "$certificates/..data"; }

place() { [ ! -f "$1/$2" ] || { cat "$1/$2" >"$live/.$2" && mv "$live/.$2" "$live/$2"; }; }

changed() {
  for name in $files; do
    [ ! -f "$1/$name" ] || [ "$(cat "$1/$name")" = "$(cat "$live/$name" 2>/dev/null || :)" ] || echo "$name"
  done
}

place_all() { for name in $(changed "$1"); do place "$1" "$name"; done; }

# Every five minutes one of the files is put in place once more: a server that has missed its change sees it then. The
# server is the process that this script becomes.
follow_certificates() {
  tick=0
  while sleep 5 && kill -0 $$ 2>/dev/null; do
    from=$(generation) || continue
    name=$(changed "$from" | sed q)
    tick=$((tick + 1))
    if [ -z "$name" ] && [ $((tick % 60)) -eq 0 ]; then
      name=$(printf '%s\n' $files | sed -n "$(((tick / 60 - 1) % 4 + 1))p")
    fi
    [ -z "$name" ] || place "$from" "$name" || :
  done
}

if [ -n "${ZK_TLS:-}" ]; then
  (umask 077 && place_all "$(generation)")
  (umask 077 && follow_certificates) >/dev/null 2>&1 &
fi

export ZOOCFGDIR="$conf"
exec zkServer.sh start-foreground
