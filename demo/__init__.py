"""`make demo`: a server of its own, and a client that walks through the whole flow in the terminal."""
