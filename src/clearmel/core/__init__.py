"""Errors, files, processes and signals: what every other package stands on. No torch at import."""
