"""Who looks after the communities: staff, skills, shifts."""
