-- End the grant. Returns 1, or 0 when there is none.
-- KEYS  1 grant
return finish()
