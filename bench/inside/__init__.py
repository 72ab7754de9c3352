"""What runs where pods and Services are reached; `bench/clusters.py` starts it and reads its figures."""
