"""The embedded PostgreSQL: one server for all Packhorse processes of a user, from the programs of a wheel.

Every process that uses the server holds a lease, a shared lock on a file that the kernel releases when the process
dies. A small keeper process is the server's parent: it restarts a server that crashed while there are leases, and
stops it when there have been none for a grace period. Nothing is lost when any of them is killed; the next lease
starts whatever is missing.
"""

from __future__ import annotations

from packhorse.database.embedded.lease import EmbeddedLease

__all__ = ["EmbeddedLease"]
