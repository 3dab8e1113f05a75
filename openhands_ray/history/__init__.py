"""The history side: reads what asv measured. The runtime never imports it."""
