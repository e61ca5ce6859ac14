"""A small community on one machine: simulated devices, an agent, a broker, the service, and a proof that it worked."""
