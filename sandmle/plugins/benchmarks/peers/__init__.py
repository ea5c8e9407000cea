"""What both bridges to other benchmarks need: their checkout, their process, their competitions as our tasks."""
