"""The SQL of conditions on keywords, as PostgreSQL reads it."""
