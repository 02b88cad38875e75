"""`packhorse check`: what a careful reviewer of a plugin would look at, one module for each kind of check."""
