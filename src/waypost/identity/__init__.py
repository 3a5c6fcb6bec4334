"""Who are you? Tokens, scopes, limits: every answer from memory."""
