"""Imports what it does not declare"""

import module_that_nobody_has  # noqa: F401
