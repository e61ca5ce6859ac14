"""CJ/T 188, the serial protocol of Chinese water and heat meters."""
