"""What follows a publication: the receipt, the hooks, and what becomes of the source file."""
