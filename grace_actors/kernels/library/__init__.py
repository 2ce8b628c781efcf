"""Parts of the librarian: validation, chunking, the inbox, the full-text index."""
