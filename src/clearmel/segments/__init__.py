"""Time spans of a recording: labels on disk, frame decisions, cuts and time lines."""
