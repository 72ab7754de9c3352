"""What in a member's pod is the operator's own, and may be set by nobody else: the safety of the ensemble rests on it.

`tests/unit/ensemble/build/test_pod_extras.py` compares these lists with the pods that the operator makes.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

from pydantic import BaseModel

from zkoperator.api.rules import Rule

CONTAINER: Final = "zookeeper"
DATA: Final = "data"
VOLUMES: Final = (DATA, "log", "config", "scratch", "certificates", "tls")
"""Volumes of the member. `log` is kept free for a volume of the transaction log."""
PORTS: Final = (2180, 2181, 2281, 2888, 3888, 7000, 8080)
"""Ports of the member. All containers of a pod share them; 8080 is the AdminServer on loopback."""
PORT_NAMES: Final = ("client", "client-tls", "quorum", "election", "metrics")
PATHS: Final = (
    *("/data", "/datalog", "/conf", "/config", "/logs", "/tmp", "/certificates", "/run/tls", "/var/run/tls"),  # noqa: S108
    *("/dev/termination-log", "/proc", "/sys"),
)
"""Directories and files that the member reads or writes, and what the start procedure reads of the kernel."""
VARIABLES: Final = (
    *("POD_NAME", "SERVER_JVMFLAGS", "JVMFLAGS", "CLIENT_JVMFLAGS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS"),
    *("JAVA", "JAVA_HOME", "CLASSPATH", "PATH", "IFS", "ENV", "SHELLOPTS", "CDPATH", "GLOBIGNORE"),
)
VARIABLE_PREFIXES: Final = ("ZK_", "ZOO", "JMX", "LD_", "BASH")
"""Variables that the start procedure, `zkServer.sh`, the shell, the loader or the JVM obeys."""
AGENTS: Final = "JAVA_TOOL_OPTIONS"
"""The variable by which the JVM loads agents. Flags of the command line, which are the operator's, win over it."""

_AGENT = "-javaagent:/[A-Za-z0-9_./:=,;@%+~#?&-]+"
_AGENTS_ONLY = rf"{_AGENT}( {_AGENT})*"


def one_of(*fields: str, advice: str) -> Rule:
    """Return the rule that exactly one of these fields is written, named as in the manifest."""

    def written(value: BaseModel) -> int:
        parts = type(value).model_fields.items()
        return sum(getattr(value, name) is not None for name, part in parts if part.alias in fields)

    return Rule(
        f"write exactly one of {', '.join(fields[:-1])} and {fields[-1]}{advice}",
        cel=f"[{', '.join(f'has(self.{name})' for name in fields)}].filter(x, x).size() == 1",
        holds=lambda value: written(value) == 1,
    )


def unique(key: str, *fields: str) -> Rule:
    """Return the rule that no two entries have the same key; the API server checks it as the key of a map."""

    def distinct(entries: Iterable[Any]) -> bool:
        found = [tuple(getattr(entry, field) for field in fields) for entry in entries]
        return len(set(found)) == len(found)

    return Rule(f"write each {key} once", holds=distinct)


def foreign_names(own: tuple[str, ...], what: str) -> Rule:
    """Return the rule that no entry has a name of ours."""
    return Rule(
        f"write another name: {', '.join(own)} {what}",
        cel=f"!self.exists(x, x.name in {list(own)})",
        holds=lambda entries: all(entry.name not in own for entry in entries),
    )


def _is_foreign_variable(name: str) -> bool:
    return name not in VARIABLES and not name.startswith(VARIABLE_PREFIXES)


def foreign_variables() -> tuple[Rule, ...]:
    """Return the rules for the environment of the member's own container."""
    starts = " || ".join(f"x.name.startsWith('{prefix}')" for prefix in VARIABLE_PREFIXES)
    return (
        Rule(
            f"remove {', '.join(VARIABLES)} and names that start with {', '.join(VARIABLE_PREFIXES)}: the operator "
            "sets what the member, its shell and its JVM obey, and the safety of the ensemble rests on it; "
            "see spec.config, spec.jvm and spec.resources",
            cel=f"!self.exists(x, x.name in {list(VARIABLES)} || {starts})",
            holds=lambda entries: all(_is_foreign_variable(entry.name) for entry in entries),
        ),
        Rule(
            f"write {AGENTS} as a value of agents alone, -javaagent:/path=options separated by single spaces: the "
            "safety of the ensemble rests on the other flags; see spec.jvm",
            cel=f"self.all(x, x.name != '{AGENTS}' || (has(x.value) && x.value.matches(r'^{_AGENTS_ONLY}$')))",
            holds=lambda entries: all(_is_agents_only(entry) for entry in entries if entry.name == AGENTS),
        ),
    )


def _is_agents_only(entry: Any) -> bool:
    return entry.value is not None and re.fullmatch(_AGENTS_ONLY, entry.value) is not None


def foreign_path() -> Rule:
    """Return the rule that a mount in the member's own container hides nothing of the member's."""
    within = " || ".join(f"self == '{path}' || self.startsWith('{path}/')" for path in PATHS)
    above = sorted({path[: cut.start()] for path in PATHS for cut in re.finditer("/", path) if cut.start()})
    return Rule(
        f"mount it elsewhere: {', '.join(PATHS)}, what is in and what is above them belong to the member",
        cel=f"!(self in {above}) && !({within})",
        holds=lambda path: path not in above and not any(path == own or path.startswith(f"{own}/") for own in PATHS),
    )


def foreign_ports() -> tuple[Rule, ...]:
    """Return the rules for the ports of a further container, which shares the network of the member."""
    numbers = ", ".join(map(str, PORTS))
    return (
        Rule(
            f"write another port: {numbers} are the member's own",
            cel=f"!self.exists(x, x.containerPort in {list(PORTS)})",
            holds=lambda entries: all(entry.container_port not in PORTS for entry in entries),
        ),
        Rule(
            f"write another name: {', '.join(PORT_NAMES)} are those of the member's own ports",
            cel=f"!self.exists(x, has(x.name) && x.name in {list(PORT_NAMES)})",
            holds=lambda entries: all(entry.name not in PORT_NAMES for entry in entries),
        ),
    )


def foreign_mounts() -> Rule:
    """Return the rule that a further container mounts of the member's volumes only the data, and only to read it."""
    closed = tuple(name for name in VOLUMES if name != DATA)
    return Rule(
        f"mount {DATA} with readOnly: true, and none of {', '.join(closed)}: the member alone writes and uses "
        "its volumes",
        cel=f"self.all(x, !(x.name in {list(closed)}) && (x.name != '{DATA}' || x.readOnly))",
        holds=lambda mounts: all(
            mount.name not in closed and (mount.name != DATA or mount.read_only) for mount in mounts
        ),
    )
