"""ZooKeeperCluster: validate, observe, plan, apply, status. `reconcile.py` reads as these calls."""
