"""What is inferred on the device. Nothing yet: the gate brings the first models, and this is where they will live."""
