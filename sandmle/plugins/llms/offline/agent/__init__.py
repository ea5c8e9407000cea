"""The scripted agent: does the work in real Python, reading only the conversation it is sent."""
