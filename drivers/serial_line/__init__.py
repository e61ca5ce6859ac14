"""Half-duplex lines with framed protocols: a serial port, or a serial server's raw TCP port."""
