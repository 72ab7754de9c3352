"""The health that Argo CD would show, by the script that is shipped for it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from lupa.lua54 import LuaRuntime

HEALTH = Path(__file__).parents[3] / "manifests" / "argocd" / "health.yaml"
PREFIX = "resource.customizations.health.zkoperator.dev_"


def scripts() -> dict[str, str]:
    """The script of each kind."""
    data = yaml.safe_load(HEALTH.read_text())["data"]
    return {key.removeprefix(PREFIX): text for key, text in data.items()}


def health(found: Mapping[str, Any]) -> tuple[str, str]:
    """Status and message, as the script computes them without any library of Lua, as Argo CD runs it."""
    lua = LuaRuntime(register_eval=False, register_builtins=False)
    lua.globals().obj = _table(lua, found)
    for name in ("os", "io", "package", "require", "debug"):
        lua.globals()[name] = None
    answer = lua.execute(scripts()[found["kind"]])
    return answer.status, answer.message


def _table(lua: LuaRuntime, value: Any) -> Any:
    if isinstance(value, Mapping):
        return lua.table_from({key: _table(lua, inner) for key, inner in value.items()})
    if isinstance(value, list | tuple):
        return lua.table_from([_table(lua, inner) for inner in value])
    return value
