"""hf-watch under systemd: as a service that it starts, hears of and reads the log of. Nothing else speaks with it."""
