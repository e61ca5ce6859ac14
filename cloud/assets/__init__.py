"""What is looked after and where: companies down to places, agents, devices, profiles, commands."""
