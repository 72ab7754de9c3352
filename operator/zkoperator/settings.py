"""Every setting of the operator: its flag of `run`, its `ZKOPERATOR_*` variable, its default and its meaning.

The command line makes a flag of each field of `Settings`; the Deployment sets variables. A flag overrides its variable.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from zkoperator.errors import FieldError, InvalidError
from zkoperator.patterns import DNS_LABEL, DNS_SUBDOMAIN, IMAGE_REFERENCE

DEFAULT_IMAGE = "docker.io/library/zookeeper:3.9.5"
VARIABLE_PREFIX = "ZKOPERATOR_"


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.replace(",", " ").split() if word)


def _matching(pattern: str, advice: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if re.fullmatch(pattern, text) is None:
            raise ValueError(f"write {advice}, not {text}")
        return text

    return parse


def _each(parse: Callable[[str], str]) -> Callable[[str], tuple[str, ...]]:
    return lambda text: tuple(parse(word) for word in _words(text))


def _number(low: int, high: int | None, advice: str) -> Callable[[str], int]:
    def parse(text: str) -> int:
        number = int(text) if re.fullmatch("-?[0-9]+", text) else None
        if number is None or number < low or (high is not None and number > high):
            raise ValueError(f"write {advice}, not {text}")
        return number

    return parse


_NAMESPACE = _matching(DNS_LABEL, "the name of a namespace")
_IMAGE = _matching(IMAGE_REFERENCE, "an image as registry/repository:tag")
_HOSTS = _matching(
    r"(\*\.)?[A-Za-z0-9._-]+(:[0-9]+)?|\[[0-9a-fA-F:.]+\](:[0-9]+)?|[0-9a-fA-F:.]+", "host, host:port or *.domain"
)
_COUNT = _number(0, 10_000, "a number from 0 to 10000")
_POSITIVE = _number(1, None, "a number of 1 or more")


def _yes_no(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(f"write true or false, not {text}")
    return text.lower() == "true"


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"write one of {', '.join(choices)}, not {text}")
        return text

    return parse


def _address(text: str) -> str:
    ipaddress.ip_address(text)
    return text


def _option(default: Any, parse: Callable[[str], Any], meaning: str) -> Any:
    return field(default=default, metadata={"parse": parse, "meaning": meaning})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one run. Field `log_level` is the flag `--log-level` and the variable `ZKOPERATOR_LOG_LEVEL`."""

    namespaces: tuple[str, ...] = _option(
        (), _each(_NAMESPACE), "namespaces to act in, separated by commas; none given: all"
    )
    default_image: str = _option(DEFAULT_IMAGE, _IMAGE, "ZooKeeper image of clusters that name none")
    backup_image: str = _option(
        "",
        lambda text: _IMAGE(text) if text else "",
        "image of the Jobs of backups; default: that of the operator's pod",
    )
    allowed_hosts: tuple[str, ...] = _option(
        (),
        _each(_HOSTS),
        "ensembles outside that ConfigSyncs may name in hosts: host, host:port or *.domain; none given: none",
    )
    cluster_domain: str = _option(
        "cluster.local", _matching(DNS_SUBDOMAIN, "a DNS domain"), "DNS domain of the Kubernetes cluster"
    )
    read_nodes: bool = _option(
        False,
        _yes_no,
        "read the nodes of members that do not serve, so that members on lost nodes are replaced; needs the right to",
    )
    sync_secrets: bool = _option(
        False, _yes_no, "let ConfigSyncs keep Secrets (spec.secret); needs the rights of the component secrets"
    )
    lease: bool = _option(True, _yes_no, "act only while holding the Lease; false for a single process")
    lease_name: str = _option("zkoperator", str, "name of the Lease")
    namespace: str = _option("zkoperator-system", _NAMESPACE, "namespace of the operator itself, where the Lease is")
    identity: str = _option("", str, "name of this replica in the Lease; default: the host name and a random part")
    log_format: str = _option("text", _one_of("text", "json"), "text or json")
    log_level: str = _option("info", _one_of("debug", "info", "warning", "error"), "debug, info, warning or error")
    bind_address: str = _option(
        "::", _address, "address of /livez, /readyz and /metrics; `::` is all addresses of IPv4 and IPv6"
    )
    port: int = _option(
        8080, _number(0, 65535, "a port from 0 (any free one) to 65535"), "port of /livez, /readyz and /metrics"
    )
    workers: int = _option(16, _POSITIVE, "objects of one kind reconciled at the same time")
    resync_seconds: int = _option(600, _POSITIVE, "look at every object again at least this often")
    object_metrics: int = _option(
        0, _COUNT, "show the conditions of so many objects of each kind as metrics with their names; 0: none"
    )
    kubeconfig: str = _option("", str, "kubeconfig file; default: $KUBECONFIG, else the service account")


def variable_of(name: str) -> str:
    """Return the environment variable of a field: `ZKOPERATOR_LOG_FORMAT` for `log_format`."""
    return VARIABLE_PREFIX + name.upper()


def flag_of(name: str) -> str:
    """Return the flag of a field: `--log-format` for `log_format`."""
    return "--" + name.replace("_", "-")


def read_settings(flags: Mapping[str, str | None], environ: Mapping[str, str]) -> Settings:
    """Read flags (by field name, None when absent) over variables over defaults.

    Raises:
        InvalidError: with every setting that cannot be read, and every unknown `ZKOPERATOR_*` variable.
    """
    values: dict[str, Any] = {}
    errors = [
        FieldError(name, "unknown variable; `zkoperator run --help` lists the settings")
        for name in sorted(environ)
        if name.startswith(VARIABLE_PREFIX) and name not in {variable_of(f.name) for f in fields(Settings)}
    ]
    for option in fields(Settings):
        source, text = flag_of(option.name), flags.get(option.name)
        if text is None:
            source, text = variable_of(option.name), environ.get(variable_of(option.name))
        if text is None:
            continue
        try:
            values[option.name] = option.metadata["parse"](text)
        except ValueError as error:
            errors.append(FieldError(source, str(error)))
    if errors:
        raise InvalidError(tuple(errors))
    return Settings(**values)
