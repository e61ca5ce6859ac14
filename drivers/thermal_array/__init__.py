"""The GY-MCU90640 thermal array: 32 x 24 temperatures over a serial line."""
