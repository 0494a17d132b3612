"""The files of a watched root: found, read while they hold still, moved and removed; what links and ignore files say.

Nothing leads out of the root, and nothing is taken from somebody who writes to it.
"""
