"""Packhorse plugin: code search by meaning and by words over the index of packhorse-indexing."""
