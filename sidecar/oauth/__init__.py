"""The protocol core: RFC 6749, 7591, 7636, 8414, 8707, 9207 and 9728 as pure functions and frozen values.

Owns what the standards say about bytes that arrive and bytes we answer. Does no I/O, knows no store, no clock, no
framework; raises `OAuthError` and nothing else.
"""
