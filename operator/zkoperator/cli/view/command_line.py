"""Command lines that messages recommend. Pure."""


def in_cluster(command: str, name: str, namespace: str, *, operator: str | None) -> str:
    """Return the command line that runs a command in the operator's pod, from where every ensemble can be reached.

    `operator` is the `namespace/name` from the status of the object; without it the default namespace is assumed.
    """
    return f"kubectl exec {_pod(operator)} -- python -m zkoperator {command} {name} -n {namespace}"


def in_cluster_with_input(command: str, namespace: str, *, operator: str | None) -> str:
    """Return the same for a command that reads a manifest from its standard input."""
    return f"kubectl exec -i {_pod(operator)} -- python -m zkoperator {command} -n {namespace} < FILE"


def _pod(operator: str | None) -> str:
    home = (operator or "").partition("/")[0] or "zkoperator-system"
    return f"-n {home} deploy/zkoperator"
