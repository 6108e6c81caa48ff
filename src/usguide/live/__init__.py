"""Live: frames from scanners as they come, results out to whoever listens."""
