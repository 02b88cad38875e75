"""The user's say in what plugins offer: switches, profiles, and the lock on tools that change after an upgrade."""
