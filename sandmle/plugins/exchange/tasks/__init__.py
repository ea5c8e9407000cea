"""Task directories as other benchmarks' tasks, with a grader that gives our scores inside their code."""
