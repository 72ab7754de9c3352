#!/bin/bash
# The contract of Apache's script: a shell, or the one command that is given after `-server HOST:PORT`, with the
# variables ZOOCFGDIR, ZOO_LOG_DIR, ZK_CLIENT_HEAP (MB), CLIENT_JVMFLAGS, JVMFLAGS and CLASSPATH.
set -eu
conf=${ZOOCFGDIR:-${ZOO_CONF_DIR:-/conf}}
# Flags are split at blanks, as in the original.
# shellcheck disable=SC2086
exec java "-Dzookeeper.log.dir=${ZOO_LOG_DIR:-/logs}" -cp "/apache-zookeeper-bin/lib/*:$conf:${CLASSPATH:-}" \
  "-Xmx${ZK_CLIENT_HEAP:-256}m" ${CLIENT_JVMFLAGS:-} ${JVMFLAGS:-} org.apache.zookeeper.ZooKeeperMain "$@"
