"""The two kinds as typed values: the single source of `crds/*.yaml` and of the reference pages.

Each check of the API server is written here once, next to its field. `rules.py` has rules that the API server (CEL) and
the operator (Python) both check. `parse.py` turns a raw object into a typed object or into all of its errors. `crd.py`
generates the CustomResourceDefinitions, and `reference.py` the reference pages.
"""
