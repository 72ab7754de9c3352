"""ZooKeeperBackupSchedule: which backup is due, which ones are kept, and whether all is as it should be."""
