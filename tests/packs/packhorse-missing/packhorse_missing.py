"""Requires packages that are not there"""

raise AssertionError("never imported")
