"""Commands that messages tell people to run. Pure."""


def in_cluster(command: str, name: str, namespace: str, *, operator: str | None) -> str:
    """Return the command line that runs a command where the members of every ensemble are reached.

    `operator` is who acts on the object, `namespace/name` as in its status; without it, the usual place is named.
    """
    home = (operator or "").partition("/")[0] or "zkoperator-system"
    pod = f"kubectl exec -n {home} deploy/zkoperator --"
    return f"{pod} python -m zkoperator {command} {name} -n {namespace}"
