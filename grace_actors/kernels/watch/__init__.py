"""What trigger_mesh looks at: figures and their limits, log files, artefacts, the program's own code, HTTP answers."""
