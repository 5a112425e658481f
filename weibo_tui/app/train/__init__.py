"""Start trainings and watch them."""
