"""The service: three kinds of process (ingest, web and worker) that share only the database."""
