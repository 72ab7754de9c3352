"""Command lines that messages recommend. Pure."""


def in_cluster(command: str, name: str, namespace: str, *, operator: str | None) -> str:
    """Return the command line that runs a command in the operator's pod, from where every ensemble can be reached.

    `operator` is the `namespace/name` from the status of the object; without it the default namespace is assumed.
    """
    home = (operator or "").partition("/")[0] or "zkoperator-system"
    pod = f"kubectl exec -n {home} deploy/zkoperator --"
    return f"{pod} python -m zkoperator {command} {name} -n {namespace}"
