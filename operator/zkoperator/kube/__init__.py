"""The only code that talks to the Kubernetes API: a port (`port.py`) and its adapter."""
