"""The store on Postgres, by hand through psycopg 3. Imported only where a database is named."""
