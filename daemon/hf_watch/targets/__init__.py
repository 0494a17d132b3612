"""Watched roots: what is dirty below each, and whether it is there at all. Owned by the worker of their destination."""
