"""The distributed trainer: OpenRLHF 0.11.2 on Ray, vLLM and DeepSpeed, seen from outside and from inside of Ray."""
