"""Our part of the history site: pages, data for machines, and the feed. ``publisher`` puts them where asv publishes."""
