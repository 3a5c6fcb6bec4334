"""What a call costs, measured against nginx doing the same work in the same run."""
