"""`python -m hf_watch` is `hf-watch`."""

from hf_watch.cli import main

main()
