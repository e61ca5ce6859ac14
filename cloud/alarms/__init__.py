"""From readings to alarms (ISA-18.2), by the rules of the device's profile."""
