"""The command line: the parser, shared flags, and one module per command."""
