#!/bin/bash
# The contract of Apache's script as far as a container uses it: the command start-foreground and the variables
# ZOOCFGDIR, ZOOCFG, ZOO_LOG_DIR, ZK_SERVER_HEAP (MB), SERVER_JVMFLAGS, JVMFLAGS and CLASSPATH.
set -eu
if [ "${1:-}" != start-foreground ]; then
  echo "usage: zkServer.sh start-foreground" >&2
  exit 1
fi
conf=${ZOOCFGDIR:-${ZOO_CONF_DIR:-/conf}}
# Flags are split at blanks, as in the original.
# shellcheck disable=SC2086
exec java "-Dzookeeper.log.dir=${ZOO_LOG_DIR:-/logs}" -XX:OnOutOfMemoryError='kill -9 %p' \
  -cp "/apache-zookeeper-bin/lib/*:$conf:${CLASSPATH:-}" \
  "-Xmx${ZK_SERVER_HEAP:-1000}m" ${SERVER_JVMFLAGS:-} ${JVMFLAGS:-} \
  org.apache.zookeeper.server.quorum.QuorumPeerMain "$conf/${ZOOCFG:-zoo.cfg}"
