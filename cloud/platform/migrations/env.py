"""What Alembic runs: migrations on the connection that `cloud.platform.migrate` has opened."""

from alembic import context

from cloud.platform.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters a table by making it anew
    transactional_ddl=False,  # the one who opened the connection has begun the transaction, and ends it
)
context.run_migrations()
