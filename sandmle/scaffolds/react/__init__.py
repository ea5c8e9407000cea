"""ReAct: think, call one tool, read its response, and so on until answering."""
