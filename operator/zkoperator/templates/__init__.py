"""Files that are rendered from a tree by templates: the sandbox, the process around it, and who waits for whom."""
