"""dcr-sidecar: Dynamic Client Registration in front of any identity provider, beside Envoy.

Imports point down only (import-linter keeps it so):

    cli   doctor   demo                        entry points
    app                                        composition root: builds everything, once
    settings   handlers/*                      HTTP in: parse -> call -> render
    signin                                     one authorization: request, approval, return
    clients   grants/*   pools   discovery     use cases: who may do what, in which order
    store/*   upstream/*   telemetry           adapters: Redis, the IdP, log and metrics
    client_ids   tokens   sealing   directory   our own values and codecs
    records
    oauth/*   clock   events                   pure protocol core: no I/O
"""

__version__ = "0.1.0"
