"""From alarms to work that somebody does, and proof that it is done."""
