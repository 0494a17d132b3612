"""From a due path to what is to be done about it: look at the file, compare it with the ledger, read what differs."""
