"""What threads share: hints and requests for a worker, and what it says of itself; each module is safe to call on any.

A value that crosses is frozen; what changes has a lock of its own, or is one attribute that is replaced.
"""
