"""From Sparkplug messages to committed records: one transaction for a batch, then the acknowledgement."""
