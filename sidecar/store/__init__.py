"""The store: small Protocols (`base`), one adapter for Redis and Valkey (`redis`), a child server (`embedded`)."""
