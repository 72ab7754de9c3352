"""ZooKeeperCluster: observe, validate, plan, apply, status."""
