"""Built-in scaffolds: each folder is readable alone; what several share stands in `common`."""
