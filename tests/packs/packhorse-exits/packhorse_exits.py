"""Exits when it is imported"""

import sys

sys.exit("I have had enough")
