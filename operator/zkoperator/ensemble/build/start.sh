#!/bin/sh
# Start of one member, by one rule for first start, restart, joiner, stale and wiped volume: keep the newest versioned
# configuration that names this member; otherwise start as a non-voter from the committed members. Needs no network.
set -eu

conf=/data/conf
data=/data/data
id=$((${POD_NAME##*-} + 1))
own="server.$id=$POD_NAME.$ZK_DOMAIN:2888:3888"

say() { echo "start: member $id: $*"; }

# Versions are hexadecimal without leading zeros: the longer is the larger. `.next` and `.tmp` do not count.
newest() {
  for file in "$conf"/zoo.cfg.dynamic.*; do
    version=${file##*.}
    case $version in '' | *[!0-9a-f]*) ;; *) echo "${#version} $version" ;; esac
  done | LC_ALL=C sort -k1,1n -k2,2 | sed -n '$s/.* //p'
}

# An empty volume may found the ensemble only while both the pod and the cluster's ConfigMap say so with the same word,
# and never on a volume that took the place of the one on which this very pod tried before.
may_found() {
  [ -n "${ZK_BOOTSTRAP:-}" ] && [ "$ZK_BOOTSTRAP" = "$(cat /config/bootstrap 2>/dev/null || :)" ] || return 1
  [ ! -e /tmp/founding ] || [ -e "$conf/founding" ]
}

has_data() {
  for file in "$data"/version-2/snapshot.* "$data"/version-2/log.*; do
    [ ! -e "$file" ] || return 0
  done
  return 1
}

# Data that no start of ours has left is somebody's own: of a restored volume, or of another ensemble. Founding would
# erase it and joining would sync over it, so neither is done. The argument is what only an earlier start of ours makes.
spare_strange_data() {
  [ ! -e "$1" ] && has_data || return 0
  say "$data/version-2 holds data of unknown origin, which is neither erased nor synced over: see docs/recovery.md"
  exit 1
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
  grep '^server\.' /config/members >"$conf/dynamic.tmp"
}

join_ensemble() {
  rm -f "$conf"/zoo.cfg.dynamic* "$data/initialize"
  {
    grep '^server\.' /config/members | grep -v "^server\.$id=" || :
    echo "$own:observer;0.0.0.0:2181"
  } >"$conf/dynamic.tmp"
}

# A person may let one member without any data vote once, by creating this file on its volume (see docs/recovery.md).
recovers() { [ -e /data/recover ] && ! has_data; }

mkdir -p "$conf" "$data"
echo "$id" >"$data/myid"
version=$(newest)
if recovers; then
  say "recovering by hand: voting with an empty disk, once"
  found_ensemble
  mv "$conf/dynamic.tmp" "$conf/zoo.cfg.dynamic"
  dynamic=$conf/zoo.cfg.dynamic
  rm -f /data/recover
elif [ -n "$version" ] && grep -q "^server\.$id=" "$conf/zoo.cfg.dynamic.$version"; then
  say "restarting with configuration $version"
  dynamic=$conf/zoo.cfg.dynamic.$version
else
  if [ -z "$version" ] && may_found; then
    spare_strange_data "$conf/founding"
    say "founding the ensemble"
    found_ensemble
    await_names
  else
    [ -n "$version" ] || spare_strange_data "$conf/zoo.cfg"
    say "joining the ensemble as a non-voter"
    join_ensemble
  fi
  dynamic=$conf/zoo.cfg.dynamic
  mv "$conf/dynamic.tmp" "$dynamic"
fi
{
  cat /config/zoo.cfg
  echo "dynamicConfigFile=$dynamic"
} >"$conf/zoo.cfg.tmp"
mv "$conf/zoo.cfg.tmp" "$conf/zoo.cfg"

export ZOOCFGDIR="$conf"
exec zkServer.sh start-foreground
