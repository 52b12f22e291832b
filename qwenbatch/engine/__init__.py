"""One run: plan, govern, conduct, place, stop. It speaks to the world through ports.py alone."""
