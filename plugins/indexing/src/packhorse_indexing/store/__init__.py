"""Every SQL statement of the plugin, by what it is about.

`catalog` and `jobs` speak for servers and commands (asynchronous), `work` for the worker's side of a job, `content`,
`postings` and `upkeep` for what the worker writes (synchronous).
"""
