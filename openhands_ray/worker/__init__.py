"""The session side: runs in the actor and in the sandbox, and never imports ``openhands``."""
