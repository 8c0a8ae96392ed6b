"""What operators see and do: use cases behind the admin API, which knows no rule of its own.

views     what is shown, in the form in which it is shown
clients, grants, users, keys   one module a resource
"""

SOURCE = "admin"
"""What the audit trail says of whoever did it: an operator."""
