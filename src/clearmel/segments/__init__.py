"""Time spans of a recording: labels on disk, decisions by frame, cuts and time lines."""
