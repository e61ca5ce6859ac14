"""Who may pass the gates: people, what they show, visitors' passes, rules, and what agents pull.

Revision: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _ms(name: str, *, nullable: bool = False) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def _community(table: str) -> "sa.ForeignKeyConstraint":
    return sa.ForeignKeyConstraint(["community_id"], ["community.id"], name=op.f(f"fk_{table}_community_id"))


def upgrade() -> None:
    op.create_table(
        "gate_person",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("key", sa.String(32), nullable=False, comment="opaque; stands for them in journals"),
        sa.Column("community_id", _ID, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False, comment="resident, household or staff"),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("unit", sa.String(80), nullable=False, comment="where they live or work"),
        sa.Column("areas", sa.Text(), nullable=False, comment="JSON: texts; none: everywhere"),
        sa.Column("hours", sa.Text(), nullable=False, comment="JSON: [[days], from_min, to_min]; none: always"),
        _ms("valid_from_ms", nullable=True),
        _ms("valid_until_ms", nullable=True),
        sa.Column("blocked", sa.Boolean(), nullable=False),
        sa.Column("block_reason", sa.String(200), nullable=False),
        sa.Column("health_sealed", sa.Text(), nullable=True, comment="what health providers know them by, encrypted"),
        sa.Column("face", sa.Boolean(), nullable=False, comment="they asked for their face to be a way in"),
        sa.Column("minor", sa.Boolean(), nullable=False),
        _ms("created_ms"),
        _ms("changed_ms"),
        _community("gate_person"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gate_person")),
        sa.UniqueConstraint("key", name=op.f("uq_gate_person_key")),
    )
    op.create_index(op.f("ix_gate_person_community_id"), "gate_person", ["community_id"])
    op.create_table(
        "gate_credential",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("person_id", _ID, nullable=False),
        sa.Column("community_id", _ID, nullable=False),
        sa.Column("kind", sa.String(8), nullable=False, comment="card or pin"),
        sa.Column("sealed", sa.Text(), nullable=False, comment="the number, encrypted"),
        sa.Column(
            "tag", sa.String(64), nullable=False, comment="keyed hash of the number: two people never have the same"
        ),
        sa.Column("hint", sa.String(4), nullable=False, comment="the end of a card's number; nothing of a PIN"),
        _ms("valid_until_ms", nullable=True),
        _ms("created_ms"),
        sa.ForeignKeyConstraint(
            ["person_id"], ["gate_person.id"], name=op.f("fk_gate_credential_person_id"), ondelete="CASCADE"
        ),
        _community("gate_credential"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gate_credential")),
        sa.UniqueConstraint("community_id", "kind", "tag", name=op.f("uq_gate_credential_community_id_kind_tag")),
    )
    op.create_index(op.f("ix_gate_credential_person_id"), "gate_credential", ["person_id"])
    op.create_table(
        "gate_pass",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("community_id", _ID, nullable=False),
        sa.Column("host", sa.String(32), nullable=False, comment="the key of the person who invites"),
        sa.Column("name", sa.String(40), nullable=False),
        _ms("valid_from_ms"),
        _ms("valid_until_ms"),
        sa.Column("gates", sa.Text(), nullable=False, comment="JSON: texts such as edge-1/north; none: all"),
        sa.Column("areas", sa.Text(), nullable=False, comment="JSON: texts; none: all"),
        sa.Column("uses", sa.Integer(), nullable=True, comment="null: without a limit"),
        sa.Column("issued_by", _ID, nullable=False),
        _ms("issued_ms"),
        _ms("revoked_ms", nullable=True),
        _community("gate_pass"),
        sa.ForeignKeyConstraint(["issued_by"], ["account.id"], name=op.f("fk_gate_pass_issued_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gate_pass")),
    )
    op.create_index("ix_gate_pass_community", "gate_pass", ["community_id", "issued_ms"])
    op.create_index("ix_gate_pass_host", "gate_pass", ["host"])
    op.create_table(
        "gate_rule",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("community_id", _ID, nullable=False),
        sa.Column("gate", sa.String(130), nullable=False, comment="such as edge-1/north"),
        sa.Column("demands", sa.Text(), nullable=False, comment="JSON: [[check, demand]]"),
        _community("gate_rule"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gate_rule")),
        sa.UniqueConstraint("community_id", "gate", name=op.f("uq_gate_rule_community_id_gate")),
    )
    op.create_table(
        "gate_agent",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("community_id", _ID, nullable=False),
        sa.Column("agent", sa.String(64), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False, comment="the token itself is only with the agent"),
        _ms("created_ms"),
        _ms("pulled_ms", nullable=True),
        sa.Column("held", _ID, nullable=True, comment="the revision that it said it holds when it pulled"),
        _ms("whole_ms", nullable=True),
        _community("gate_agent"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gate_agent")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_gate_agent_token_hash")),
        sa.UniqueConstraint("community_id", "agent", name=op.f("uq_gate_agent_community_id_agent")),
    )
    op.create_table(
        "gate_roll",
        sa.Column("community_id", _ID, autoincrement=False, nullable=False),
        sa.Column(
            "revision", _ID, nullable=False, comment="Unix ms of the newest change, or one more than the one before"
        ),
        _community("gate_roll"),
        sa.PrimaryKeyConstraint("community_id", name=op.f("pk_gate_roll")),
    )
    op.create_table(
        "gate_change",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("community_id", _ID, nullable=False),
        sa.Column("revision", _ID, nullable=False),
        sa.Column("kind", sa.String(8), nullable=False, comment="start, person, pass or rule"),
        sa.Column("subject", sa.String(130), nullable=False),
        _community("gate_change"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gate_change")),
    )
    op.create_index("ix_gate_change", "gate_change", ["community_id", "revision"])


def downgrade() -> None:
    for table in ("gate_change", "gate_roll", "gate_agent", "gate_rule", "gate_pass", "gate_credential", "gate_person"):
        op.drop_table(table)
