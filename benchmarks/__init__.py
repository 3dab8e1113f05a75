"""The benchmarks of openhands-ray. See ``README.md`` beside this file."""
