"""Who may do what: login, sessions, roles scoped by place, and the audit of every privileged action."""
