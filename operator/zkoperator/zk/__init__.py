"""The only code that talks to ZooKeeper: a port (`port.py`) and its adapter."""
