"""Its entry point has another name"""

raise AssertionError("never imported")
