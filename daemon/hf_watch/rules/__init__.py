"""The rules, pure: which files are published, where, when, in which commits, and how soon after each other.

Disk, clock, chance and Hub are unknown here; what they say comes in as arguments (`make lint` checks it).
"""
