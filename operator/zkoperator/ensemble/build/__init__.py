"""Children of a ZooKeeperCluster as manifests: one Kubernetes kind a module, from a validated cluster alone."""
