"""How to talk to hardware: the driver interface, the device catalogue, and one folder for each protocol."""
