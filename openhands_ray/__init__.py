"""A Ray runtime for OpenHands, and the history of its performance at every commit."""
