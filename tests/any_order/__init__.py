"""Whatever happens, in whatever order: a state machine of clients, people, thieves, operators and faults, over HTTP."""
