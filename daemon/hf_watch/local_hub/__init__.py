"""A Hub on this machine, for trying out, development and tests. docs/local-hub.md says how faithful it is."""

from .access import Org, Token
from .doors import Asked
from .faults import Fault, Faults
from .heads import plain_files
from .server import Commit, LocalHub, serve
from .state import KINDS

__all__ = ["KINDS", "Asked", "Commit", "Fault", "Faults", "LocalHub", "Org", "Token", "plain_files", "serve"]
