"""The `local` trainer: one process, torch on one device, transformers and peft."""
