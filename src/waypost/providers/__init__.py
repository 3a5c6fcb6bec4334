"""Who serves you? Our HTTP client, the courier that tries the plan in turn, and metering."""
