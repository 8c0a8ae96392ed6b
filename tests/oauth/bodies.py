"""What real MCP clients send to /register."""

from collections.abc import Mapping

CLAUDE_AI: Mapping[str, object] = {
    "client_name": "Claude",
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "client_secret_post",
    "scope": "notes.read",
    "redirect_uris": ["https://claude.ai/api/mcp/auth_callback"],
}
CLAUDE_CODE: Mapping[str, object] = {
    "client_name": "Claude Code (notes)",
    "redirect_uris": ["http://localhost:53682/callback"],
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
}
CHATGPT: Mapping[str, object] = {
    "client_name": "ChatGPT",
    "redirect_uris": ["https://chatgpt.com/connector/oauth/vG3-MLZWUV83"],
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
    "application_type": "web",
}
VS_CODE: Mapping[str, object] = {
    "client_name": "Visual Studio Code",
    "client_uri": "https://code.visualstudio.com",
    "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
    "response_types": ["code"],
    "redirect_uris": [
        "https://insiders.vscode.dev/redirect",
        "https://vscode.dev/redirect",
        "http://127.0.0.1/",
        "http://127.0.0.1:33418/",
    ],
    "token_endpoint_auth_method": "none",
    "application_type": "native",
}
CURSOR: Mapping[str, object] = {
    "client_name": "Cursor",
    "redirect_uris": [
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "https://www.cursor.com/agents/mcp/oauth/callback",
        "http://localhost:8787/callback",
    ],
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
    "application_type": "web",
}
LM_STUDIO: Mapping[str, object] = {"redirect_uris": ["http://127.0.0.1:33389/mcp/oauth/callback"]}
INSPECTOR: Mapping[str, object] = {
    "client_name": "MCP Inspector",
    "client_uri": "https://github.com/modelcontextprotocol/inspector",
    "redirect_uris": ["http://localhost:6274/oauth/callback"],
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
    "scope": "",
}

ALL: Mapping[str, Mapping[str, object]] = {
    "claude.ai": CLAUDE_AI,
    "Claude Code": CLAUDE_CODE,
    "ChatGPT": CHATGPT,
    "VS Code": VS_CODE,
    "Cursor": CURSOR,
    "LM Studio": LM_STUDIO,
    "Inspector": INSPECTOR,
}
