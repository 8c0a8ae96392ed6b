COMMENTS: dict[str, str] = {}
