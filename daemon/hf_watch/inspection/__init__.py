"""What can be told without changing anything: what a pass would do, what becomes of one path, whether it can work."""
