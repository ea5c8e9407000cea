"""The `docker` backend: a zygote inside a hardened container, driven over a socket, sessions forked in it."""
