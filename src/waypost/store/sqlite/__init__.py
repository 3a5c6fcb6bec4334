"""The store on SQLite, by hand through apsw."""
