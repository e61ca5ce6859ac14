"""The page at the gate, and the pages for staff behind a login. README.md says what is where."""
