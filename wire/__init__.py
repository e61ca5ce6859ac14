"""The contract between edge and cloud: Sparkplug B 3.0 topics, payloads and sequence rules. No I/O, no clock."""
