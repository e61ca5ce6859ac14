"""DL/T 645-2007, the serial protocol of Chinese electricity meters."""
