"""Repositories that are given by URL: cloned into the data folder, shallow, and without running or trusting anything.

`address` decides which URLs are taken, `network` which machines they may lead to, `git` how git is called, and
`copying` makes, renews and removes the clones.
"""
