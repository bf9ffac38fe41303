"""A campaign of kills and other faults against the real binary on a real broker; `kills.py` is its entry."""
