"""The kinds of objects in Kubernetes whose keys a ConfigSync keeps equal with znodes, one module a kind."""
