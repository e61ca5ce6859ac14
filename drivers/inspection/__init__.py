"""Looking at a bus from outside: which units answer, what they may be, and what goes over the line."""
