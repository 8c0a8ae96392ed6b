"""dcr-sidecar: Dynamic Client Registration in front of any identity provider, beside Envoy.

Imports point down only (import-linter keeps it so):

    cli   demo   doctor   probe                 entry points
    app                                         composition root: builds everything, once
    settings   handlers/*   envoy_config        HTTP in: parse -> call -> render; Envoy's configuration
    admin                                       what operators see and do
    signin                                      one authorization: request, approval, return
    clients   grants/*   discovery   initial_access   limits   pools   use cases: who may do what, in which order
    repeating                                   what goes on as long as the process
    store/*   upstream/*   telemetry   keyfile  adapters: Redis, the IdP, log and metrics, the key file
    admission   client_ids   identity_assertions   tokens   sealing   our own values, rules and codecs
    directory   identity_headers
    records
    oauth/*   clock   events   headers   budgets   pure protocol core: no I/O
"""

__version__ = "0.1.0"
