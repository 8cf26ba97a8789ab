"""Reads and writes sound files and pipes; computes spectra and log-mels and inverts them."""
