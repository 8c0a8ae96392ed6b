"""The operators' listener: /admin/*, behind one guard, from one table of operations.

    operations   what a call takes and gives, and how it becomes a route: the table's row
    guard        who may ask at all
    openapi      the same table as an OpenAPI document
    clients, grants, users, keys   one module a resource: its rows, and nothing else

A resource is a small class with `operations()`; `listener` puts them behind the same routes and into the same document.
"""
