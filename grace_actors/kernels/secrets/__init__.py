"""Parts of the secret manager: patterns of leaks, redaction, the key file, the scan of files."""
