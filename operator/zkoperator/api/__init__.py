"""The pydantic models of both kinds: the single source of `crds/*.yaml`."""
