"""May you pay for it, and what did it come to?"""
