"""The web page on which people mark what to cut out of recordings."""
