"""Where a point lies in its device: the tables of a point, one for each protocol. Data only, no protocol's code."""
