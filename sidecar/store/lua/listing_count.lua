-- How many are listed and not over.
-- KEYS  1 listing
return redis.call('ZCOUNT', KEYS[1], '(' .. int(clock('')), '+inf')
