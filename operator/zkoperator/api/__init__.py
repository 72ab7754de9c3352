"""The two kinds as typed values: the single source of `crds/*.yaml` and of the reference pages.

Everything that the API server checks is written here once, next to the field it is about. `rules.py` lets one rule be
executed by the API server (CEL) and by the operator (Python), `parse.py` turns a raw object into a typed one or into
all of its errors, and `crd.py` prints the CustomResourceDefinitions.
"""
