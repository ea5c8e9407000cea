"""CodeAct: code is the only action, and what it prints is the observation, until the agent says it is done.

After Wang et al., Executable Code Actions Elicit Better LLM Agents, ICML 2024 (arXiv 2402.01030).
"""
