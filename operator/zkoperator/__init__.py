"""ZooKeeper ensembles and znode/ConfigMap synchronisation on Kubernetes, without lost writes."""

__version__ = "0.1.0"
