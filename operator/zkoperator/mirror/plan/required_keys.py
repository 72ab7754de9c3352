"""Keys without which the API server takes no object of a type, such as a Secret for TLS. Pure."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from zkoperator.mirror.observe.observed import Observed
from zkoperator.mirror.plan.pull import CreateConfigMap, WriteConfigMap
from zkoperator.mirror.plan.steps import Step
from zkoperator.mirror.validate import ValidatedSync


def lacking_keys(sync: ValidatedSync, observed: Observed, steps: Iterable[Step]) -> str:
    """Return why the API server would refuse to create the target or to take keys from it, "" if it would not."""
    for step in steps:
        keys = _keys_after(step, sync, observed)
        type_ = observed.content.type if observed.content is not None else None
        if keys is not None and (lacks := sync.target.end.lacking(type_, keys)):
            return f"{sync.target} would have no {lacks}; nothing is written on either side until {_way_out(sync)}"
    return ""


def _way_out(sync: ValidatedSync) -> str:
    if sync.format is not None:
        return "spec.format.key is this key, or spec.secret.type is another"
    return "its znode is there" if sync.template is None else "a template of spec.template.data has this name"


def _keys_after(step: Step, sync: ValidatedSync, observed: Observed) -> AbstractSet[str] | None:
    """Return the keys that the target has after the step, None where the step takes none away."""
    if isinstance(step, CreateConfigMap):
        return {sync.format.key} if sync.format is not None else {*step.puts, *step.values}
    if not isinstance(step, WriteConfigMap) or not step.removes or sync.format is not None or observed.content is None:
        return None
    return (observed.content.keys.keys() - step.removes) | step.puts.keys() | step.values.keys()
