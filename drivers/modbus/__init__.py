"""Modbus over TCP and over a serial line (RTU)."""
