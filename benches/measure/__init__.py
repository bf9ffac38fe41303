"""The parts of `./dev bench`: what is loaded, who is measured, how, and what is said about it."""
