"""Parts of memory fusion: rules of merging, signatures of artifacts, the archive of kernel snapshots."""
