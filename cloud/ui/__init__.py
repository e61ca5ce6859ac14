"""What all pages share: theme, layout, texts."""
