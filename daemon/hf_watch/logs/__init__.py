"""What is logged, and how it looks: one event a line, no token in it, and the like of it counted where many come."""
