"""The token life cycle, owned here alone: creation, redemption, rotation, revocation, authorisation of a call.

Every change is: read, verify, unwrap, build, then one compare-and-swap in the store. Knows the store and the IdP as
Protocols only, and turns their errors into OAuth errors: nothing but a definitive refusal by the IdP ends a grant.
"""
