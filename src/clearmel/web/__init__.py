"""What the pages on this computer share: server, access checks, tiles, streams, scripts and looks."""
