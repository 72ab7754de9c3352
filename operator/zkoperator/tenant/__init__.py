"""ZNode: a subtree of an ensemble for one tenant, with its ACL, its credential and its quota."""
