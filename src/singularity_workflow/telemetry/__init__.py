"""
What the library tells of itself: fields of log records, spans and metrics.

Owns the names and the hand-over to other libraries. When something happens is known to
the worker and the engine, which call this package; nothing here talks to PostgreSQL.
"""
