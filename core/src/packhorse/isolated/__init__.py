"""The isolated tier: a plugin in a process of its own, whose tools stand flat beside the others'.

`plugin` stands in for it in the host, `process` keeps its process, `wire` speaks to it, `components` are what clients
call, `environment` is what it is given, and `__main__` is the process itself.
"""
