"""What users did since training, kept in a database."""
