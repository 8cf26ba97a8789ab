"""The web page on which people label the parts of recordings to cut."""
