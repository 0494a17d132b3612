"""What scripts can rely on (README.md, "Exit codes"); click's own 2 for a wrong usage beside them."""

FAILED = 1
NOT_RUNNING = 3
CONFIG = 78  # EX_CONFIG of sysexits.h: systemd does not restart what ends with it
