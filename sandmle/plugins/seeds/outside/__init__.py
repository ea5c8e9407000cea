"""Seeds from outside: a user's own files, and the competitions of other benchmarks' checkouts."""
