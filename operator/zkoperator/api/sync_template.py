"""Files of a ConfigMap that are rendered from the subtree by templates."""

import re
from typing import Annotated, Any, Final

from pydantic import Field

from zkoperator.api.meta import Model
from zkoperator.api.rules import Rule, Rules

MAX_FILES: Final = 16
"""Most files of one ConfigSync."""
MAX_TEMPLATE: Final = 65_536
"""Longest template, in characters."""
_KEY: Final = r"[-._a-zA-Z0-9]{1,253}"

TemplateText = Annotated[str, Field(max_length=MAX_TEMPLATE)]


class Template(Model):
    """Files that are rendered from the znodes, each under one key of the ConfigMap."""

    data: Annotated[
        dict[str, TemplateText],
        Field(min_length=1, max_length=MAX_FILES),
        Rules(
            Rule(
                "write each key of letters, digits, '-', '_' and '.', such as nginx.conf, at most 253",
                cel=f"self.all(k, k.matches(r'^{_KEY}$'))",
                holds=lambda files: all(re.fullmatch(_KEY, name) is not None for name in files),
            )
        ),
    ]
    """Key of the ConfigMap -> template of the file under it, in Jinja2. The functions `getv`, `gets`, `ls` and others
    read the znodes that `spec.keys` selects. The other keys of the ConfigMap are left alone."""


def _without(holds: Any) -> Any:
    """Return the condition for a spec that has a template."""
    return lambda spec: spec.template is None or holds(spec)


TEMPLATE_RULES: Final = (
    Rule(
        "write ZooKeeperToConfigMap with template: nothing leads back from a rendered file to the znodes",
        field="direction",
        cel="!has(self.template) || self.direction == 'ZooKeeperToConfigMap'",
        holds=_without(lambda spec: spec.direction == "ZooKeeperToConfigMap"),
    ),
    Rule(
        "remove it, or template: a ConfigSync writes its files by one of them",
        field="format",
        cel="!has(self.template) || !has(self.format.key)",
        holds=_without(lambda spec: spec.format.key is None),
    ),
    Rule(
        "remove separator and stripPrefix: a template names znodes by their paths, so there are no keys to name",
        field="keys",
        cel="!has(self.template) || (self.keys.separator == '__' && self.keys.stripPrefix == '')",
        holds=_without(lambda spec: spec.keys.separator == "__" and not spec.keys.strip_prefix),
    ),
    Rule(
        "remove each prefix: a template names znodes by their whole paths, so there are no keys to name",
        field="zookeeper.sources",
        cel="!has(self.template) || !has(self.zookeeper.sources) || self.zookeeper.sources.all(s, s.prefix == '')",
        holds=_without(lambda spec: not any(source.prefix for source in spec.zookeeper.sources)),
    ),
    Rule(
        "write Retain or DeleteConfigMap: with template the operator deletes no znodes",
        field="onDelete",
        cel="!has(self.template) || self.onDelete != 'DeleteZnodes'",
        holds=_without(lambda spec: spec.on_delete != "DeleteZnodes"),
    ),
    Rule(
        "cannot be added or removed: the ConfigMap holds the content in the other form; create another ConfigSync",
        field="template",
        cel="has(self.template) == has(oldSelf.template)",
    ),
)
"""Rules of a spec that has a template."""
