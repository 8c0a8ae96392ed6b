"""What operators see and do: use cases behind the admin API, which knows no rule of its own.

views     what is shown, in the form in which it is shown
sweeps    ends all grants of something, however often that is interrupted
clients, grants, users, keys   one module a resource
"""
