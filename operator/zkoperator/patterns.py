"""Patterns of texts that settings and custom resources have in common."""

DNS_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
DNS_SUBDOMAIN = rf"{DNS_LABEL}(\.{DNS_LABEL})*"
IMAGE_REFERENCE = r"[A-Za-z0-9][A-Za-z0-9._:/@-]*"
