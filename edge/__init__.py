"""The agent beside the devices: it reads them, journals what they say, and publishes it until the cloud has it."""
