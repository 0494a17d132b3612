"""hf-watch in a Python program, `hf_watch.watch`: the daemon in a process of its own that ends with the program."""
