"""What outlives the process. The only SQL."""
