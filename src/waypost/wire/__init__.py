"""Wire languages: HTTP/1.1, server-sent events, dialects."""
