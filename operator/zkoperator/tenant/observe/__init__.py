"""What is read of Kubernetes and of the ensemble."""
