"""The daemon as a process: one a state directory, its signals, its threads watched over, its memory given back."""
