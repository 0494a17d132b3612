"""How soon a destination may ask the Hub for more, by what its account has left and whether the Hub answers at all."""
