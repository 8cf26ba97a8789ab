"""Sound files, pipes, spectra, mel features and the way back to sound."""
