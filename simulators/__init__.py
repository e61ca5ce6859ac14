"""Devices that are not there: real protocol servers made from the catalogue's profiles, which take faults on demand."""
