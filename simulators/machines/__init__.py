"""How machines behave: pure models that turn time, chance, commands and faults into engineering values."""
