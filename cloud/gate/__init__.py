"""Who may pass the gates of a community, visitors' passes, and opening from afar."""
