"""A Hub on this machine, for trying out, development and tests. docs/local-hub.md says how faithful it is."""

from .access import Org, Token
from .doors import Asked
from .faults import Fault, Faults
from .server import Commit, LocalHub, serve

__all__ = ["Asked", "Commit", "Fault", "Faults", "LocalHub", "Org", "Token", "serve"]
