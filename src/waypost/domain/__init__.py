"""The vocabulary: frozen values and rules. Standard library only."""
