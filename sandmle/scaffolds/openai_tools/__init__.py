"""Native function calling: the tools go to the provider as functions, and what it calls is executed."""
