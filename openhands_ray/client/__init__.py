"""The OpenHands side: the only folder that imports ``openhands``."""
