"""Which keys of zoo.cfg a user may set, with what values, and why the others are refused.

Pure data and functions for the CRD (CEL), the models and the code that writes the file. The list of allowed keys is
closed: before a key is added here, its effect on membership, durability and access must be known. Names and meanings
are those of the ZooKeeper 3.9 administrator's guide.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from zkoperator.api.rules import Rule
from zkoperator.api.types import CONTROL_CHARACTERS

_PLAIN_NUMBER = r"-?[0-9]{1,10}"


@dataclass(frozen=True, slots=True)
class Number:
    """A key whose value is a whole number from `least` to `most`. With `or_nought`, 0 is allowed too: no limit."""

    least: int
    most: int
    or_nought: bool = False

    @property
    def bounds(self) -> str:
        """The allowed numbers, as the reference lists them."""
        return f"{'0, or ' if self.or_nought else ''}{self.least} to {self.most}"

    @property
    def advice(self) -> str:
        """What a user should write, for messages."""
        nought = "0 for no limit, or " if self.or_nought else ""
        return f"write {nought}a whole number from {self.least} to {self.most}"

    def accepts(self, value: str) -> bool:
        """Return whether the text is such a number."""
        if re.fullmatch(_PLAIN_NUMBER, value) is None:
            return False
        return self.least <= int(value) <= self.most or (self.or_nought and int(value) == 0)

    def cel(self, value: str) -> str:
        """Return `accepts` as CEL on the expression `value`."""
        plain = f"{value}.matches(r'^{_PLAIN_NUMBER}$')"
        return f"type({value}) == int ? {self._within(value)} : ({plain} && {self._within(f'int({value})')})"

    def _within(self, number: str) -> str:
        within = f"({number} >= {self.least} && {number} <= {self.most})"
        return f"({number} == 0 || {within})" if self.or_nought else within


@dataclass(frozen=True, slots=True)
class Choice:
    """A key whose value is one of `words`. `why` says what is wrong with other values; it may be empty."""

    words: tuple[str, ...]
    why: str = ""

    @property
    def bounds(self) -> str:
        """The words, as the reference lists them."""
        return ", ".join(f"`{word}`" for word in self.words)

    @property
    def advice(self) -> str:
        """What a user should write, for messages."""
        advice = f"write {' or '.join(self.words)}, in quotes"
        return f"{advice}: {self.why}" if self.why else advice

    def accepts(self, value: str) -> bool:
        """Return whether the text is one of the words."""
        return value in self.words

    def cel(self, value: str) -> str:
        """Return `accepts` as CEL on the expression `value`."""
        return f"{value} in {_list(self.words)}"


@dataclass(frozen=True, slots=True)
class Commands:
    """A key whose value is a list of four-letter words. They are allowed in addition to `ALWAYS_ALLOWED_COMMANDS`."""

    words: tuple[str, ...]

    @property
    def bounds(self) -> str:
        """The words that may be listed, as the reference lists them."""
        always = ", ".join(f"`{word}`" for word in ALWAYS_ALLOWED_COMMANDS)
        return (
            f"any of {', '.join(f'`{word}`' for word in self.words)}, with commas between; {always} always are allowed"
        )

    @property
    def advice(self) -> str:
        """What a user should write, for messages."""
        return (
            f"write some of {', '.join(self.words)}, with commas between: any other command changes the server or "
            "walks through all of its sessions for whoever asks"
        )

    @property
    def _regex(self) -> str:
        word = f"({'|'.join(self.words)})"
        return f" *{word} *(, *{word} *)*"

    def accepts(self, value: str) -> bool:
        """Return whether the text is such a list."""
        return re.fullmatch(self._regex, value) is not None

    def cel(self, value: str) -> str:
        """Return `accepts` as CEL on the expression `value`."""
        return f"type({value}) == string && {value}.matches(r'^{self._regex}$')"


Kind = Number | Choice | Commands


@dataclass(frozen=True, slots=True)
class Refusal:
    """Keys that are refused for one reason, given by their names or by prefixes."""

    why: str
    keys: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()

    def covers(self, key: str) -> bool:
        """Return whether the key is refused for this reason."""
        return key in self.keys or key.startswith(self.prefixes)


_BOOLEAN = Choice(("true", "false"))
_INT_MAX = 2**31 - 1
_LEAST_CONNECTIONS = 10
"""Connections that the operator (three commands at once) and the probes of the pod need beside the clients."""

ALWAYS_ALLOWED_COMMANDS = ("srvr", "mntr", "conf", "hash", "ruok", "isro")
"""Four-letter words that only read and cost almost nothing. The operator itself uses the first four."""

ALLOWED: Mapping[str, Kind] = {
    # time
    "tickTime": Number(100, 60_000),
    "initLimit": Number(2, 100_000),
    "syncLimit": Number(2, 100_000),
    "connectToLearnerMasterLimit": Number(0, 10_000),
    "cnxTimeout": Number(100, 600_000),
    "minSessionTimeout": Number(100, 86_400_000),
    "maxSessionTimeout": Number(1_000, 86_400_000),
    "fastleader.minNotificationInterval": Number(10, 60_000),
    "fastleader.maxNotificationInterval": Number(100, 600_000),
    "leaderConnectDelayDuringRetryMs": Number(1, 60_000),
    "leader.maxTimeToWaitForEpoch": Number(-1, 600_000),
    "maxTimeToWaitForEpoch": Number(-1, 600_000),
    "leaderServes": Choice(
        ("yes",),
        "a leader that serves no clients answers nobody, so it would look as if it did not serve and nothing would be "
        "changed any more",
    ),
    # connections
    "maxClientCnxns": Number(_LEAST_CONNECTIONS, 1_000_000, or_nought=True),
    "maxCnxns": Number(_LEAST_CONNECTIONS, 10_000_000, or_nought=True),
    "connectionMaxTokens": Number(0, _INT_MAX),
    "connectionTokenFillTime": Number(1, _INT_MAX),
    "connectionTokenFillCount": Number(1, _INT_MAX),
    "connectionFreezeTime": Number(-1, _INT_MAX),
    # requests
    "globalOutstandingLimit": Number(1, 1_000_000),
    "requestThrottleLimit": Number(0, 1_000_000),
    "requestThrottleStallTime": Number(1, 600_000),
    "requestThrottleDropStale": _BOOLEAN,
    "requestStaleLatencyCheck": _BOOLEAN,
    "requestStaleConnectionCheck": _BOOLEAN,
    "largeRequestMaxBytes": Number(1, _INT_MAX),
    "largeRequestThreshold": Number(-1, _INT_MAX),
    "throttledOpWaitTime": Number(0, 600_000),
    "maxResponseCacheSize": Number(0, 1_000_000),
    "maxGetChildrenResponseCacheSize": Number(0, 1_000_000),
    "flushDelay": Number(0, 10_000),
    "maxWriteQueuePollTime": Number(0, 10_000),
    "maxBatchSize": Number(0, 1_000_000),
    "enableEagerACLCheck": _BOOLEAN,
    "enforceQuota": _BOOLEAN,
    "extendedTypesEnabled": _BOOLEAN,
    "audit.enable": _BOOLEAN,
    "enforce.auth.enabled": _BOOLEAN,
    "enforce.auth.schemes": Choice(("x509",), "the operator itself has no other, or anybody has, as with digest"),
    "4lw.commands.whitelist": Commands((*ALWAYS_ALLOWED_COMMANDS, "stat", "envi", "dirs", "cons", "wchs")),
    # storage
    "forceSync": Choice(("yes",), "without it ZooKeeper loses acknowledged writes"),
    "snapCount": Number(100, _INT_MAX),
    "preAllocSize": Number(64, 4_194_304),
    "snapSizeLimitInKb": Number(0, _INT_MAX),
    "txnLogSizeLimitInKb": Number(-1, _INT_MAX),
    "commitLogCount": Number(1, 1_000_000),
    "snapshot.compression.method": Choice(("gz", "snappy")),
    "fsync.warningthresholdms": Number(1, 600_000),
    "autopurge.snapRetainCount": Number(3, 10_000),
    "autopurge.purgeInterval": Number(1, 8_760),
}
"""Every key that may be set."""

REFUSED: tuple[Refusal, ...] = (
    Refusal(
        "membership is the operator's job, by dynamic reconfiguration; write spec.replicas",
        keys=(
            *("standaloneEnabled", "reconfigEnabled", "dynamicConfigFile", "peerType", "oraclePath", "initConfig"),
            *("electionAlg", "observerMasterPort", "syncEnabled", "leader.reconfigEnabled"),
        ),
        prefixes=("server.", "group.", "weight.", "multiAddress."),
    ),
    Refusal(
        "files and ports belong to the pod that the operator makes; write spec.storage for the volume",
        keys=(
            *("dataDir", "dataLogDir", "clientPort", "clientPortAddress", "secureClientPort"),
            *("secureClientPortAddress", "electionPortBindRetry", "quorumListenOnAllIPs", "clientPortListenBacklog"),
        ),
    ),
    Refusal(
        "it would let ZooKeeper lose acknowledged writes or vote with an empty disk; there is no safe value",
        keys=("fsync", "readonlymode.enabled"),
        prefixes=("snapshot.trust.", "db.autocreate", "datadir.autocreate", "unsafe", "serializeLastProcessedZxid"),
    ),
    Refusal(
        "access control stays enforced and the superuser is the operator's; use ACLs on the znodes",
        keys=("skipACL", "superUser", "ensembleAuthName", "fips-mode"),
        prefixes=("authProvider", "DigestAuthenticationProvider.", "X509AuthenticationProvider."),
    ),
    Refusal(
        "there is no SASL: its users change only by a restart of all members, and the next releases refuse its "
        "DIGEST-MD5; give clients certificates, write spec.tls.client.authentication: Optional and x509 ACLs beside "
        "the sasl ones, move the clients, then take those away; between members write spec.tls.quorum: {}",
        keys=("sessionRequireClientSASLAuth", "requireClientAuthScheme", "jaasLoginRenew", "allowSaslFailedClients"),
        prefixes=("quorum.auth.", "kerberos.", "quorum.cnxn.", "sasl."),
    ),
    Refusal(
        "everything about TLS follows from spec.tls; write that instead",
        keys=(
            "sslQuorum",
            "portUnification",
            "client.portUnification",
            "serverCnxnFactory",
            "sslQuorumReloadCertFiles",
        ),
        prefixes=("ssl.", "client.certReload"),
    ),
    Refusal(
        "the AdminServer stays on loopback, and metrics are on port 7000",
        prefixes=("admin.", "metricsProvider."),
    ),
    Refusal(
        "the operator commits a reconfiguration by the session that it opens after it, which must be a session of the "
        "whole ensemble",
        keys=("localSessionsEnabled", "localSessionsUpgradingEnabled"),
    ),
    Refusal(
        "it is a property of the JVM, which zoo.cfg cannot set; write -Djute.maxbuffer=... in spec.jvm.flags",
        keys=("jute.maxbuffer",),
    ),
    Refusal(
        "it is a value of a chart and no key of zoo.cfg: write autopurge.snapRetainCount, autopurge.purgeInterval or "
        "4lw.commands.whitelist instead",
        keys=(
            *("autoPurgeSnapRetainCount", "autoPurgePurgeInterval", "snapRetainCount", "purgeInterval"),
            *("autopurgeSnapRetainCount", "autopurgePurgeInterval", "fourlwCommandsWhitelist"),
        ),
    ),
    Refusal(
        "it is a value of a chart and no key of zoo.cfg: write spec.jvm, spec.resources, spec.logLevel or spec.storage "
        "instead",
        keys=("heapSize", "jvmFlags", "logLevel", "dataLogDirSize", "listenOnAllIPs"),
    ),
)
"""Keys that are refused for a reason worth telling. Any other key is refused as not known."""

RENAMED: Mapping[str, str] = {"maxTimeToWaitForEpoch": "leader.maxTimeToWaitForEpoch"}
"""Keys that are written under another name: ZooKeeper reads nothing under the one that its guide has."""

_MAX_NAMED = 5
_SESSION_KEYS = ("tickTime", "minSessionTimeout", "maxSessionTimeout")
UNKNOWN = "it is not on the list of keys that may be set; see the reference of spec.config"


def refusal(key: str) -> str | None:
    """Return why the key may not be set, or None when it may be."""
    if key in ALLOWED:
        return None
    return next((reason.why for reason in REFUSED if reason.covers(key)), UNKNOWN)


def value_error(key: str, value: str) -> str | None:
    """Return what to write instead of the value, or None when it is good. The key must be an allowed one."""
    kind = ALLOWED[key]
    return None if kind.accepts(value) else kind.advice


def combination_error(config: Mapping[str, str]) -> str | None:
    """Return what is wrong between values that are good by themselves (times: ticks and milliseconds)."""
    tick = int(config.get("tickTime", "2000"))
    least = int(config.get("minSessionTimeout", str(2 * tick)))
    most = int(config.get("maxSessionTimeout", str(20 * tick)))
    if least > most:
        return f"minSessionTimeout ({least} ms) must not be above maxSessionTimeout ({most} ms)"
    return None


def _named(keys: list[str]) -> str:
    shown = (re.sub(f"[{CONTROL_CHARACTERS}]", "?", key) for key in sorted(keys)[:_MAX_NAMED])
    return ", ".join(shown)


def _list(words: tuple[str, ...]) -> str:
    return "[" + ", ".join(f"'{word}'" for word in words) + "]"


def _covered(reason: Refusal) -> str:
    parts = [f"k in {_list(reason.keys)}"] if reason.keys else []
    return " || ".join([*parts, *(f"k.startsWith('{prefix}')" for prefix in reason.prefixes)])


def _refusal_rule(reason: Refusal) -> Rule:
    covered = (*reason.keys, *(f"{prefix}*" for prefix in reason.prefixes))

    def refused(config: Mapping[str, str]) -> list[str]:
        return [key for key in config if key not in ALLOWED and reason.covers(key)]

    return Rule(
        f"remove the key ({', '.join(covered)}): {reason.why}",
        cel=f"self.all(k, !({_covered(reason)}))",
        holds=lambda config: not refused(config),
        explain=lambda config: f"remove {_named(refused(config))}: {reason.why}",
    )


def _unknown_rule() -> Rule:
    known = " || ".join([f"k in {_list(tuple(ALLOWED))}", *(_covered(reason) for reason in REFUSED)])

    def unknown(config: Mapping[str, str]) -> list[str]:
        return [key for key in config if key not in ALLOWED and not any(reason.covers(key) for reason in REFUSED)]

    return Rule(
        f"remove the key that is none of {', '.join(ALLOWED)}",
        cel=f"self.all(k, {known})",
        holds=lambda config: not unknown(config),
        explain=lambda config: f"remove {_named(unknown(config))}: {UNKNOWN}",
    )


def _value_rule(key: str, kind: Kind) -> Rule:
    value = f"self['{key}']"
    return Rule(
        kind.advice,
        field=key if key.isidentifier() else f"[{key}]",
        cel=f"!('{key}' in self) || ({kind.cel(value)})",
        holds=lambda config: key not in config or kind.accepts(config[key]),
    )


def _line_rule() -> Rule:
    control = re.compile(f"[{CONTROL_CHARACTERS}]")
    return Rule(
        "remove line breaks and control characters from keys and values: each entry is one line of zoo.cfg",
        cel=(
            f"self.all(k, !k.matches(r'[{CONTROL_CHARACTERS}]')"
            f" && (type(self[k]) == int || !self[k].matches(r'[{CONTROL_CHARACTERS}]')))"
        ),
        holds=lambda config: not any(control.search(text) for item in config.items() for text in item),
    )


def _session_rule() -> Rule:
    def error(config: Mapping[str, str]) -> str:
        sound = all(value_error(key, config[key]) is None for key in _SESSION_KEYS if key in config)
        return (combination_error(config) or "") if sound else ""

    return Rule("", holds=lambda config: not error(config), explain=error)


CONFIG_RULES = (
    _line_rule(),
    *(_refusal_rule(reason) for reason in REFUSED),
    _unknown_rule(),
    *(_value_rule(key, kind) for key, kind in ALLOWED.items()),
    _session_rule(),
)
"""All rules of `spec.config`."""
