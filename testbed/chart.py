"""The generated files of the Helm chart: what it shares with `crds/` and `manifests/`, and its reference of values.

`python -m testbed.chart` writes them; a test compares them.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

_CHECKOUT = Path(__file__).parent.parent
CHART = _CHECKOUT / "charts" / "zkoperator"

_REFERENCE = """\
# zkoperator

The operator of [zkoperator](../../README.md) as a Helm chart. With the default values it makes the objects of `crds/`
and `manifests/`, without the namespace.

    helm install zkoperator charts/zkoperator --namespace zkoperator-system --create-namespace

`helm upgrade` restarts the operator only; no ensemble notices. `helm uninstall` keeps the definitions while
`crds.keep` is true, and with them every ZooKeeperCluster and ConfigSync; ensembles run on. An installation for some
namespaces acts in those of `namespaces`, which have to exist.

<!-- Generated from values.yaml and values.schema.json by `python -m testbed.chart`. -->

| Value | Default | Meaning |
| --- | --- | --- |
"""


def files() -> dict[Path, str]:
    """Return the content of each generated file by its path."""
    crds = {CHART / "files" / "crds" / path.name: path for path in sorted((_CHECKOUT / "crds").glob("*.yaml"))}
    names = ("dashboard.json", "kube-state-metrics.yaml", "podmonitors.yaml", "rules.yaml")
    monitoring = {CHART / "files" / name: _CHECKOUT / "manifests" / "monitoring" / name for name in names}
    copied = {target: source.read_text() for target, source in {**crds, **monitoring}.items()}
    return {**copied, CHART / "README.md": reference()}


def reference() -> str:
    """Return the chart's README with a row for each value."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    return _REFERENCE + "".join(
        f"| `{name}` | `{json.dumps(default)}` | {meaning} |\n" for name, default, meaning in _rows(schema, values)
    )


def _rows(schema: Mapping[str, Any], values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any, str]]:
    for name, rule in schema["properties"].items():
        if "properties" in rule:
            yield from _rows(rule, values[name], f"{prefix}{name}.")
        elif name in values:
            yield f"{prefix}{name}", values[name], rule["description"]


if __name__ == "__main__":
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
