"""The Python interface: waves as soundfile gives them, in and out. `import clearmel` offers all of it."""
