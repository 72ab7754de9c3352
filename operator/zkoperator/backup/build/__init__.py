"""The Jobs of backups as manifests. Pure."""
