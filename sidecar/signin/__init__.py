"""One sign-in, from the client's authorization request to our code: who may ask, what the user sees, who comes back.

    requests    an authorization request is checked (RFC 6749 4.1.1, 7636, 8707)
    forms       what the consent page carries: sealed, bound to the browser, single use
    approvals   the user's answer: a transaction and the way to the IdP, or the way back (design 12.5)
    returns     the browser comes back from the IdP: identity, grant, code
    problems    what a person reads when it does not go on

Plain values in, plain values out: no HTTP types, no HTML, no cookies. A caller hands in the cookie's value and what the
browser said about where a form was sent from, and gets URLs and views back.
"""
