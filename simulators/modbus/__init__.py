"""Simulated Modbus devices: frames and registers, pure; stations, and the servers of their lines."""
