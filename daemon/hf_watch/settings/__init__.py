"""What a user sets: which settings there are, what they may be, where they come from, and the places they name."""
