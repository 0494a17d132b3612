"""The control socket: a small JSON API on a Unix socket, by which a running daemon is seen and steered.

Nothing here reaches into a worker: it reads the status that each one publishes and the ledger through a connection of
its own, and asks for changes by requests in the workers' inboxes.
"""
