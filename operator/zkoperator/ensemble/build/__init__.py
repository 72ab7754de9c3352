"""Builds the manifests of the children, one Kubernetes kind in each module. Pure."""
