"""HTTP in: each endpoint parses its request, calls one use case, and renders what comes back.

An endpoint is a frozen dataclass of its dependencies with `routes()`, whose paths are relative to the issuer. `app`
mounts them; errors are raised, and rendered in `middleware` only. Endpoints do not import one another.
"""
