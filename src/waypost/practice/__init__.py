"""Practice providers: real HTTP servers that play a provider, with any fault."""
