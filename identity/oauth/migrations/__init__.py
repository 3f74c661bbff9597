"""The library's tables, in one step: `MIGRATION_MODULES` points here.

Its models but one are replaced by ours, yet its own 22 migrations alter them 95 times, most for labels alone, which takes
5 of the 6 seconds of a first `migrate`. `make check` says when a newer version of the library needs a step more here.
"""
