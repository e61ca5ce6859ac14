"""What is inferred on the device: models and the arithmetic around them. Stands on `runtime` alone."""
