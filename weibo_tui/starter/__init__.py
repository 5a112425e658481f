"""What comes with the program: a small base and adapters on it, with their card and the recipe that made them."""
