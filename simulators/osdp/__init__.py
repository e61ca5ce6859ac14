"""Simulated OSDP readers. Framing and secure channel are written for themselves, so that no mistake is shared."""
