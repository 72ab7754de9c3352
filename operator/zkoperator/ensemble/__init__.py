"""ZooKeeperCluster: observe, validate, plan, apply, status. `reconcile.py` reads as these calls."""
