"""Stands in for flash-attn, which is compiled with CUDA; see the README beside this folder."""
