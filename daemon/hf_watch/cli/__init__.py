"""The command line. The modules of this package are the only ones that print."""
