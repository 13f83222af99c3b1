"""What bounds the compute of a training run, each bound from its own data."""
