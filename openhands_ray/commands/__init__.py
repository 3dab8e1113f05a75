"""The commands about clusters and sessions. None imports OpenHands, nor Ray before it asks a cluster."""
