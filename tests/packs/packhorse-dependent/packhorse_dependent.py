"""Requires a plugin that does not load"""

raise AssertionError("never imported")
