"""Which flags of the JVM a user may set.

The flags reach a shell and the JVM of a pod that holds the superuser's credential. So only a closed list of prefixes is
allowed, and only characters that have no meaning for a shell. No allowed flag runs a command, reads or writes a file of
any name, loads an agent, opens a debug port, or sets a ZooKeeper property that belongs into `spec.config`.
"""

import re
from typing import Final

from zkoperator.api.rules import Rule

ALLOWED_PREFIXES: Final = (
    "-XX:+UseG1GC",
    "-XX:+UseZGC",
    "-XX:+UseShenandoahGC",
    "-XX:+UseParallelGC",
    "-XX:+UseSerialGC",
    "-XX:+ZGenerational",
    "-XX:G1",
    "-XX:MaxGCPauseMillis=",
    "-XX:GCTimeRatio=",
    "-XX:InitiatingHeapOccupancyPercent=",
    "-XX:ParallelGCThreads=",
    "-XX:ConcGCThreads=",
    "-XX:+ParallelRefProcEnabled",
    "-XX:+DisableExplicitGC",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-XX:+AlwaysPreTouch",
    "-XX:+PerfDisableSharedMem",
    "-XX:+UseStringDeduplication",
    "-XX:+UseCompressedOops",
    "-XX:-UseCompressedOops",
    "-XX:+UseTransparentHugePages",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:+CrashOnOutOfMemoryError",
    "-XX:+HeapDumpOnOutOfMemoryError",
    "-XX:HeapDumpPath=/data",
    "-XX:+UseContainerSupport",
    "-XX:+UnlockExperimentalVMOptions",
    "-XX:+DoEscapeAnalysis",
    "-XX:+ResizePLAB",
    "-XX:-ResizePLAB",
    "-XX:+UseNUMA",
    "-XX:-OmitStackTraceInFastThrow",
    "-XX:ActiveProcessorCount=",
    "-XX:MaxDirectMemorySize=",
    "-XX:MaxMetaspaceSize=",
    "-XX:MetaspaceSize=",
    "-XX:ReservedCodeCacheSize=",
    "-XX:SoftRefLRUPolicyMSPerMB=",
    "-XX:TieredStopAtLevel=",
    "-XX:NativeMemoryTracking=",
    "-Xss",
    "-server",
    "-verbose:gc",
    "-Xlog:gc",
    "-Xlog:safepoint",
    "-Djute.maxbuffer=",
    "-Djava.net.preferIPv4Stack=",
    "-Djava.net.preferIPv6Addresses=",
    "-Duser.timezone=",
    "-Dznode.container.",
)
"""An allowed flag starts with one of these."""

_GONE: Final = "the JVM of today's images does not start with it; write -XX:+UseG1GC, or nothing"
_LOGGED: Final = "the JVM of today's images does not start with it; write -Xlog:gc, which goes to the standard output"

REFUSED_PREFIXES: Final = (
    ("-Xmx", "write spec.jvm.heapPercent and the memory limit instead"),
    ("-Xms", "write spec.jvm.heapPercent and the memory limit instead"),
    ("-XX:MaxRAM", "write spec.jvm.heapPercent and the memory limit instead"),
    ("-XX:MaxHeap", "write spec.jvm.heapPercent and the memory limit instead"),
    ("-XX:InitialRAM", "write spec.jvm.heapPercent and the memory limit instead"),
    ("-XX:InitialHeap", "write spec.jvm.heapPercent and the memory limit instead"),
    ("-Dzookeeper.", "write the property in spec.config, without the prefix, where it is allowed"),
    ("-Dsun.net.inetaddr.", "the operator sets short name caches itself"),
    ("-XX:OnError", "it runs a command"),
    ("-XX:OnOutOfMemoryError", "it runs a command"),
    ("-XX:+UseConcMarkSweepGC", _GONE),
    ("-XX:+UseParNewGC", _GONE),
    ("-XX:+CMS", _GONE),
    ("-XX:CMS", _GONE),
    ("-XX:+AggressiveOpts", _GONE),
    ("-XX:+UseCGroupMemoryLimitForHeap", _GONE),
    ("-XX:+PrintGC", _LOGGED),
    ("-Xloggc", _LOGGED),
    ("-XX:+UseGCLogFileRotation", _LOGGED),
    ("-agent", "it loads code or opens a debug port"),
    ("-javaagent", "write JAVA_TOOL_OPTIONS in spec.pod.env instead, with the agent in a volume"),
    ("-Xrun", "it loads code or opens a debug port"),
    ("-Xdebug", "it opens a debug port"),
    ("-Dcom.sun.management.", "it opens a management port; metrics are on port 7000"),
)
"""Prefixes of refused flags, each with the reason that the message gives."""

CHARACTERS: Final = r"[A-Za-z0-9:+=.,_%/-]+"
"""The characters that a flag may have: no white space, quotes, wildcards or other characters that a shell expands."""

_LOG: Final = "write -Xlog:what, with :stdout or :stderr after it at most: any other output is a file"
_LOGS: Final = r"-Xlog:[^:]*(:(stdout|stderr)?(:.*)?)?"
"""What is logged, where to, and how. An output without a name is standard output."""
_DUMP: Final = "write -XX:HeapDumpPath=/data or -XX:HeapDumpPath=/data/name.hprof: a dump goes to the member's volume"
_DUMP_PREFIX: Final = "-XX:HeapDumpPath="
_DUMPS: Final = r"-XX:HeapDumpPath=/data(/[A-Za-z0-9_-]+[.]hprof)?"
_UNKNOWN: Final = "it is not on the list of flags that may be set; see the reference of spec.jvm.flags"
_MAX_NAMED = 5


def refusal(flag: str) -> str | None:
    """Return why the flag may not be passed, or None when it may be."""
    if re.fullmatch(CHARACTERS, flag) is None:
        return "write one flag an entry, without spaces, quotes or wildcards"
    if _dumps_elsewhere(flag):
        return _DUMP
    if flag.startswith(ALLOWED_PREFIXES):
        return _LOG if _logs_elsewhere(flag) else None
    return next((why for prefix, why in REFUSED_PREFIXES if flag.startswith(prefix)), _UNKNOWN)


def _starts(flag: str, prefixes: tuple[str, ...]) -> str:
    return " || ".join(f"{flag}.startsWith('{prefix}')" for prefix in prefixes)


def _character_rule() -> Rule:
    return Rule(
        "write one flag an entry, without spaces, quotes or wildcards",
        cel=f"self.all(f, f.matches(r'^{CHARACTERS}$'))",
        holds=lambda flags: all(re.fullmatch(CHARACTERS, flag) is not None for flag in flags),
    )


def _refused_rules() -> tuple[Rule, ...]:
    reasons = dict.fromkeys(why for _, why in REFUSED_PREFIXES)
    return tuple(_refused_rule(why) for why in reasons)


def _refused_rule(why: str) -> Rule:
    prefixes = tuple(prefix for prefix, reason in REFUSED_PREFIXES if reason == why)
    return Rule(
        f"remove the flags that start with {', '.join(prefixes)}: {why}",
        cel=f"!self.exists(f, {_starts('f', prefixes)})",
        holds=lambda flags: not any(flag.startswith(prefixes) for flag in flags),
    )


def _known_rule() -> Rule:
    known = (*ALLOWED_PREFIXES, _DUMP_PREFIX, *(prefix for prefix, _ in REFUSED_PREFIXES))

    def unknown(flags: tuple[str, ...]) -> list[str]:
        return [repr(flag) for flag in flags if not flag.startswith(known)]

    return Rule(
        f"remove the flag that starts with none of {', '.join(ALLOWED_PREFIXES)}",
        cel=f"self.all(f, {_starts('f', known)})",
        holds=lambda flags: not unknown(flags),
        explain=lambda flags: f"remove {', '.join(unknown(flags)[:_MAX_NAMED])}: {_UNKNOWN}",
    )


def _logs_elsewhere(flag: str) -> bool:
    return flag.startswith("-Xlog") and re.fullmatch(_LOGS, flag) is None


def _dumps_elsewhere(flag: str) -> bool:
    return flag.startswith(_DUMP_PREFIX) and re.fullmatch(_DUMPS, flag) is None


def _dump_rule() -> Rule:
    return Rule(
        _DUMP,
        cel=f"self.all(f, !f.startsWith('{_DUMP_PREFIX}') || f.matches(r'^{_DUMPS}$'))",
        holds=lambda flags: not any(map(_dumps_elsewhere, flags)),
    )


def _log_rule() -> Rule:
    return Rule(
        _LOG,
        cel=f"self.all(f, !f.startsWith('-Xlog') || f.matches(r'^{_LOGS}$'))",
        holds=lambda flags: not any(map(_logs_elsewhere, flags)),
    )


FLAG_RULES = (_character_rule(), *_refused_rules(), _known_rule(), _log_rule(), _dump_rule())
"""All rules of `spec.jvm.flags`."""
