"""One reply, one program: it is run, what it wrote is submitted, and that is all."""
