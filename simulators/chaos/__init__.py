"""A community on which everything that can go wrong goes wrong, on a schedule that a seed decides, and a ledger."""
