"""Made for a core that does not exist yet"""

raise AssertionError("never imported")
