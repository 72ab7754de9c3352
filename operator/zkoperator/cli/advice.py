"""Commands that messages tell people to run. Pure."""


def in_cluster(command: str, name: str, namespace: str) -> str:
    """Return the command line that runs a command where the members of every ensemble are reached."""
    pod = "kubectl exec -n zkoperator-system deploy/zkoperator --"
    return f"{pod} python -m zkoperator {command} {name} -n {namespace}"
