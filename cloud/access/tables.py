"""Tables of accounts, sessions, role grants and the audit."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from cloud.platform.database import BigId, id_column, metadata, time_ms

account = Table(
    "account",
    metadata,
    id_column(),
    Column("login", String(64), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("password_hash", String(255), nullable=False),
    Column("language", String(2), nullable=False),
    Column("phone", String(32), nullable=False),
    Column("active", Boolean, nullable=False),
    time_ms("created_ms"),
)

grant = Table(
    "role_grant",
    metadata,
    id_column(),
    Column("account_id", ForeignKey("account.id"), nullable=False, index=True),
    Column("role", String(16), nullable=False),
    Column("scope", String(16), nullable=False, comment="company, project, community, building or place"),
    Column("scope_id", BigId, nullable=False),
    UniqueConstraint("account_id", "role", "scope", "scope_id"),
)

session = Table(
    "session",
    metadata,
    Column("token_hash", String(64), primary_key=True, comment="the token itself is only with its owner"),
    Column("account_id", ForeignKey("account.id"), nullable=False, index=True),
    time_ms("created_ms"),
    time_ms("expires_ms"),
    Column("address", String(64), nullable=False),
)

login_failure = Table(
    "login_failure",
    metadata,
    id_column(),
    Column("login", String(64), nullable=False),
    Column("address", String(64), nullable=False),
    time_ms("at_ms"),
    Index("ix_login_failure", "login", "at_ms"),
)

audit = Table(
    "audit",
    metadata,
    id_column(),
    time_ms("at_ms"),
    Column("account_id", Integer, nullable=True, comment="null for the service itself and for failed logins"),
    Column("actor", String(200), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(200), nullable=False, comment="such as `device:7`"),
    Column("community_id", BigId, nullable=True),
    Column("outcome", String(16), nullable=False, comment="allowed, denied or failed"),
    Column("detail", Text, nullable=False, comment="JSON"),
    Column("address", String(64), nullable=False),
    Index("ix_audit_at", "at_ms"),
)
