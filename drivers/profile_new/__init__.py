"""A guided start of a device type: from a register list in CSV to a folder of the catalogue's form."""
