"""Secrets in the texts of files: found by their form or their place, and redacted before anything is kept of them."""

from packhorse_indexing.secrets.model import Redacted
from packhorse_indexing.secrets.redaction import redact

__all__ = ["Redacted", "redact"]
