"""The IdP behind a pool, and the MCP server's own documents: pure messages and judgements, and thin I/O around them."""
